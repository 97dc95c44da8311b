"""A plug-in that fails is reported and left out, whatever it does."""

from types import SimpleNamespace

import pytest

from phalanx.core import AlertLevel
from phalanx.node import _plugins
from phalanx.node._plugins import checked_backends, checked_skill, load_plugins, provided_fleet


class Alerts:
    def __init__(self):
        self.texts = []

    def alert(self, level, room, text, /, **context):
        assert level is AlertLevel.WARNING
        self.texts.append(text)


def entry(name, load):
    return SimpleNamespace(name=name, load=load)


def fails():
    raise ImportError("no such library")


def test_the_good_ones_are_taken_and_the_others_named(monkeypatch):
    entries = [entry("broken", fails), entry("good", lambda: 1), entry("refused", lambda: 2), entry("last", lambda: 3)]
    monkeypatch.setattr(_plugins, "registered", lambda group: entries)
    alerts, taken = Alerts(), []

    def accept(value):
        if value == 2:
            raise ValueError("its name is taken")
        taken.append(value)

    load_plugins("phalanx.skills", alerts, accept)
    assert taken == [1, 3]
    assert alerts.texts == [
        "plug-in broken of phalanx.skills is left out: no such library",
        "plug-in refused of phalanx.skills is left out: its name is taken",
    ]


def test_two_devices_of_one_name_and_two_skills_of_one_name_are_refused():
    from phalanx.core import InvalidInput, PhalanxError
    from phalanx.devices import ProviderContext, local_provider
    from phalanx.incidents import triage_skill
    from phalanx.testing import InlineOffload, SimWorld

    provider = local_provider(ProviderContext(InlineOffload(), SimWorld(1).clock))
    known = list(checked_backends(provider, []))
    assert known[0].device.name == "local.statevector"
    with pytest.raises(InvalidInput, match=r"local\.statevector"):
        checked_backends(provider, known)
    assert checked_skill(triage_skill, []) is triage_skill
    with pytest.raises(PhalanxError):
        checked_skill(triage_skill, [triage_skill])


def test_hardware_of_a_provider_that_there_is_not_is_told():
    from phalanx.devices import ProviderContext
    from phalanx.testing import InlineOffload, SimWorld

    alerts = Alerts()
    context = ProviderContext(InlineOffload(), SimWorld(1).clock, frozenset({"ibmq", "local"}))
    assert "local.statevector" in provided_fleet(context, alerts)
    (told,) = (text for text in alerts.texts if "devices.hardware" in text)
    assert "'ibmq'" in told
    assert "ibm, ionq" in told
