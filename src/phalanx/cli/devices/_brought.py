"""The devices of this installation, without a node: building a node takes longer."""

import contextlib
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from phalanx.core import Offload
    from phalanx.devices import DeviceModel, Fleet


def brought_fleet(offload: "Offload") -> "Fleet":
    """Every backend of the installed plug-ins, at work in ``offload``; those that fail are named and left out."""
    from importlib.metadata import entry_points

    from phalanx.adapters import SystemClock
    from phalanx.devices import Backend, Fleet, ProviderContext

    context, found = ProviderContext(offload, SystemClock()), list[Backend]()
    for entry in sorted(entry_points(group="phalanx.devices"), key=lambda one: one.name):
        try:
            found += entry.load()(context).backends()
        except Exception as error:  # noqa: BLE001 - a third party's code may fail in any way, and people are told
            click.echo(f"provider {entry.name} is left out: {error}", err=True)
    return Fleet(found)


def brought_models() -> "list[DeviceModel]":
    """Their devices."""
    from phalanx.adapters import ThreadOffload

    with contextlib.closing(ThreadOffload(1)) as offload:
        return brought_fleet(offload).devices()
