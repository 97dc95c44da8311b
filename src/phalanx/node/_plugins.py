"""Finds plug-ins by entry point. The built-in ones register the same way.

A plug-in that fails, or that the node refuses, does not stop the node: it is reported and left out.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from phalanx.agents import Duty, Skill, duties_by_name, skills_by_name
from phalanx.allocation import POLICIES_GROUP, Learner, Policy, PolicyContext, built_in_policies
from phalanx.core import AlertLevel, AlertSink, InvalidInput
from phalanx.crypto.entropy import SOURCES_GROUP as ENTROPY_GROUP
from phalanx.crypto.vault import WRAPPERS_GROUP
from phalanx.devices import Backend, Fleet, Provider, ProviderContext
from phalanx.intel import DETECTORS_GROUP
from phalanx.intel.delivery import SINKS_GROUP, SOURCES_GROUP

SKILLS = "phalanx.skills"
DUTIES = "phalanx.duties"
ANALYSES = "phalanx.analyses"
OPERATIONS = "phalanx.operations"
DEVICES = "phalanx.devices"
GROUPS = (
    SKILLS, DUTIES, ANALYSES, DEVICES, DETECTORS_GROUP, WRAPPERS_GROUP, ENTROPY_GROUP, SINKS_GROUP, SOURCES_GROUP,
    POLICIES_GROUP, OPERATIONS,
)  # fmt: skip


def registered(group: str) -> list[EntryPoint]:
    """What is registered under ``group``, in the order of names, so that every start is alike."""
    return sorted(entry_points(group=group), key=lambda entry: entry.name)


def load_plugins(group: str, alerts: AlertSink, accept: Callable[[Any], object]) -> None:
    """Load each plug-in of ``group`` and hand it to ``accept``; one that either refuses is alerted and left out."""
    for entry in registered(group):
        try:
            accept(entry.load())
        except Exception as error:  # noqa: BLE001 - a third party's code may fail in any way
            text = f"plug-in {entry.name} of {group} is left out: {error}"
            alerts.alert(AlertLevel.WARNING, "node", text, error=type(error).__name__)


def provided_fleet(context: ProviderContext, alerts: AlertSink) -> Fleet:
    """The devices of all providers that are installed."""
    backends: list[Backend] = []
    load_plugins(DEVICES, alerts, lambda make: backends.extend(checked_backends(make(context), backends)))
    known = [entry.name for entry in registered(DEVICES)]
    for name in sorted(context.hardware.difference(known)):
        text = f"devices.hardware names {name!r}, which is none of {', '.join(known)}: there are no machines of it"
        alerts.alert(AlertLevel.WARNING, "node", text)
    return Fleet(backends)


def provided_policies(context: PolicyContext, alerts: AlertSink, learner: Learner) -> dict[str, Policy]:
    """The policies of placement that a node always has, and those that plug-ins bring, by name."""
    made = built_in_policies(context, learner)

    def accept(make: Callable[[PolicyContext], Policy]) -> None:
        policy = make(context)
        if policy.name in made:
            raise InvalidInput("policy", f"two are called {policy.name!r}")
        made[policy.name] = policy

    load_plugins(POLICIES_GROUP, alerts, accept)
    return made


def checked_backends(provider: Provider, known: Sequence[Backend]) -> Sequence[Backend]:
    """What ``provider`` offers; raises when a device of that name is known already."""
    offered = provider.backends()
    names = [backend.device.name for backend in (*known, *offered)]
    if len(set(names)) < len(names):
        raise InvalidInput("device", f"two devices have one name among {', '.join(names)}")
    return offered


def checked_skill(skill: Skill, known: Sequence[Skill]) -> Skill:
    """The skill; raises when its manifest is not one or its name is taken."""
    skills_by_name((*known, skill))
    return skill


def checked_duty(duty: Duty, known: Sequence[Duty]) -> Duty:
    """The duty; raises when its manifest is not one or its name is taken."""
    duties_by_name((*known, duty))
    return duty
