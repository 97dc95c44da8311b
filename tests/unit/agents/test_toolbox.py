"""A skill gets the tools its manifest names, and nothing else."""

import pytest

from phalanx.agents import Capability, Role, SkillManifest, Toolbox, ToolForbidden, ToolMissing


class Hammer: ...


class Saw: ...


def manifest(*permissions: str) -> SkillManifest:
    return SkillManifest("build", Role.SPECIALIST, (Capability.DETECTION,), (), (), 1.0, permissions)


def test_a_tool_is_found_by_its_type():
    tools, hammer = Toolbox(), Hammer()
    tools.provide(Hammer, hammer)
    assert tools.get(Hammer) is hammer


def test_a_missing_tool_is_named():
    with pytest.raises(ToolMissing, match="'Saw'"):
        Toolbox().get(Saw)


def test_a_limited_toolbox_gives_only_what_the_manifest_names():
    tools = Toolbox()
    tools.provide(Hammer, Hammer())
    tools.provide(Saw, Saw())
    limited = tools.limited(manifest("Hammer"))
    assert isinstance(limited.get(Hammer), Hammer)
    with pytest.raises(ToolForbidden) as forbidden:
        limited.get(Saw)
    assert (forbidden.value.skill, forbidden.value.tool) == ("build", "Saw")


def test_a_permission_without_the_tool_is_missing_not_forbidden():
    with pytest.raises(ToolMissing):
        Toolbox().limited(manifest("Saw")).get(Saw)


def test_a_limited_toolbox_sees_tools_that_are_provided_later():
    tools = Toolbox()
    limited = tools.limited(manifest("Hammer"))
    tools.provide(Hammer, Hammer())
    assert isinstance(limited.get(Hammer), Hammer)
