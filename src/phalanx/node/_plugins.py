"""Finds plug-ins by entry point. The built-in ones register the same way.

A plug-in that cannot be loaded does not stop the node: it is reported and left out.
"""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from phalanx.core import AlertLevel, AlertSink

SKILLS = "phalanx.skills"
ANALYSES = "phalanx.analyses"
DEVICES = "phalanx.devices"
GROUPS = (SKILLS, ANALYSES, DEVICES)


def registered(group: str) -> list[EntryPoint]:
    """What is registered under ``group``, in the order of names, so that every start is alike."""
    return sorted(entry_points(group=group), key=lambda entry: entry.name)


def load_plugins(group: str, alerts: AlertSink) -> Iterator[tuple[str, Any]]:
    """Each plug-in of ``group`` with its name; one that fails to import is alerted and skipped."""
    for entry in registered(group):
        try:
            loaded = entry.load()
        except Exception as error:  # noqa: BLE001 - a third party's import may fail in any way
            alerts.alert(AlertLevel.WARNING, "node", f"plug-in {entry.name} of {group} does not load", error=str(error))
        else:
            yield entry.name, loaded
