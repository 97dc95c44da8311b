"""The devices that this installation brings, without a node: building one takes longer."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from phalanx.devices import DeviceModel, Fleet


def brought_fleet() -> "Fleet":
    """Every backend of the plug-ins of this installation; who fails is named and left out."""
    from importlib.metadata import entry_points

    from phalanx.adapters import SystemClock, ThreadOffload
    from phalanx.devices import Backend, Fleet, ProviderContext

    context, found = ProviderContext(ThreadOffload(1), SystemClock()), list[Backend]()
    for entry in sorted(entry_points(group="phalanx.devices"), key=lambda one: one.name):
        try:
            found += entry.load()(context).backends()
        except Exception as error:  # noqa: BLE001 - a third party's code may fail in any way, and people are told
            click.echo(f"provider {entry.name} is left out: {error}", err=True)
    return Fleet(found)


def brought_models() -> "list[DeviceModel]":
    """Their devices."""
    return brought_fleet().devices()
