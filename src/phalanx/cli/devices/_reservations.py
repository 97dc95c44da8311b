"""`phalanx reservations`: devices, workers and other resources, booked together and in advance."""

import time
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._numbers import FiniteRange
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of


@click.group(cls=Group, short_help="Devices, workers and other resources, booked together and in advance.")
def reservations() -> None:
    """Devices, workers and other resources, booked together and in advance.

    Firm bookings never make room for others; backfill may use what is reserved for emergencies, and makes room.
    """


@reservations.command("list")
@client_options
@json_option
def list_reservations(client: NodeClient, as_json: bool) -> None:
    """Bookings, by start."""
    _show(client.get("/v1/reservations")["items"], as_json=as_json)


@reservations.command()
@client_options
@json_option
def resources(client: NodeClient, as_json: bool) -> None:
    """What can be booked."""
    rows = client.get("/v1/reservations/resources")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("resource", lambda row: row["name"]),
        ("kind", lambda row: row["kind"]),
        ("units", lambda row: str(row["capacity"])),
        ("for emergencies", lambda row: str(row["reserve"])),
    ]
    print_table("Resources", rows, columns, empty="nothing can be booked")


@reservations.command()
@click.argument("name")
@click.option("--units", type=click.IntRange(1), default=1, show_default=True, help="Number of units.")
@click.option(
    "--reserve", type=click.IntRange(0), default=0, show_default=True, help="How many of these are for emergencies."
)
@click.option("--lives", "lives_s", type=FiniteRange(0), default=0.0, help="Seconds until it expires; 0: never.")
@click.option("--kind", default="device", show_default=True, help="Kind of resource.")
@client_options
@json_option
def declare(name: str, units: int, reserve: int, lives_s: float, kind: str, client: NodeClient, as_json: bool) -> None:
    """Make NAME bookable, or change it; existing bookings must still fit."""
    expires_ns = time.time_ns() + int(lives_s * 1e9) if lives_s else 0
    asked = {"name": name, "capacity": units, "reserve": reserve, "expires_ns": expires_ns, "kind": kind}
    made = client.post_json("/v1/reservations/resources", asked)
    if as_json:
        print_json(made)
    else:
        click.echo(f"{name} can be booked: {units} units, {reserve} of them for emergencies")


@reservations.command()
@click.argument("wanted", nargs=-1, required=True, metavar="RESOURCE[=UNITS]...")
@click.option(
    "--for", "for_s", type=FiniteRange(0, min_open=True), required=True, help="Seconds for which it is needed."
)
@click.option("--in", "in_s", type=FiniteRange(0), default=0.0, help="Seconds until it may begin; 0: at once.")
@click.option("--within", "within_s", type=FiniteRange(0), default=0.0, help="Seconds until it must end; 0: any time.")
@click.option(
    "--grade", type=click.Choice(["backfill", "firm", "emergency"]), default="firm", show_default=True,
    help="Who makes room for whom: backfill for all others, and the reserve is for emergencies.",
)  # fmt: skip
@click.option("--priority", type=int, default=0, show_default=True, help="Among backfill, higher goes first.")
@click.option(
    "--hold", "hold_s", type=FiniteRange(0), default=0.0, help="Seconds within which to confirm it; 0: booked now."
)
@client_options
@json_option
def book(
    wanted: tuple[str, ...], for_s: float, in_s: float, within_s: float, grade: str, priority: int, hold_s: float,
    client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Book every RESOURCE together, at the earliest possible time."""
    if within_s and in_s + for_s > within_s:
        raise click.UsageError(f"{for_s:g} s from {in_s:g} s on do not end within {within_s:g} s")
    now_ns = time.time_ns()
    asked = {
        "demands": _demands(wanted),
        "duration_ns": int(for_s * 1e9),
        "earliest_ns": now_ns + int(in_s * 1e9),
        "latest_end_ns": now_ns + int(within_s * 1e9) if within_s else 0,
        "grade": grade,
        "priority": priority,
        "hold_until_ns": now_ns + int(hold_s * 1e9) if hold_s else 0,
    }
    made = client.post_json("/v1/reservations", asked)["items"]
    _show(made, as_json=as_json)


@reservations.command()
@click.argument("booking")
@client_options
@json_option
def confirm(booking: str, client: NodeClient, as_json: bool) -> None:
    """Turn the held BOOKING into a confirmed one."""
    _show([client.post(f"/v1/reservations/{quote(booking, safe='')}/confirm")], as_json=as_json)


@reservations.command()
@click.argument("booking")
@client_options
@json_option
def cancel(booking: str, client: NodeClient, as_json: bool) -> None:
    """Give BOOKING's time back."""
    _show([client.post(f"/v1/reservations/{quote(booking, safe='')}/cancel")], as_json=as_json)


def _demands(wanted: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in wanted:
        name, is_counted, units = one.partition("=")
        if not name or (is_counted and not (units.isascii() and units.isdigit() and int(units) > 0)):
            raise click.BadParameter(f"{one!r} is no RESOURCE or RESOURCE=UNITS", param_hint="RESOURCE[=UNITS]...")
        if name in found:
            raise click.BadParameter(f"{name} is there twice", param_hint="RESOURCE[=UNITS]...")
        found[name] = int(units or 1)
    return found


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("from", time_of("start_ns")),
        ("until", time_of("end_ns")),
        ("resources", lambda row: ", ".join(f"{name}={units}" for name, units in row["ask"]["demands"].items())),
        ("grade", lambda row: row["ask"]["grade"]),
        ("state", lambda row: row["state"]),
        ("note", lambda row: row["reason"]),
        ("id", lambda row: row["id"]),
    ]
    print_table("Reservations", rows, columns, empty="nothing is booked")
