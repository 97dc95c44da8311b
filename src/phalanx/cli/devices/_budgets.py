"""`phalanx budgets`: what tenants may spend on devices, what is left, and price tables."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._numbers import FiniteRange
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of

_QUOTAS = ("jobs", "shots", "seconds")
_PER = ("per_shot", "per_one", "per_two", "per_measured", "per_second", "per_month")
tenant_option = click.option("--tenant", default="", help="Another tenant; for an admin of the default tenant.")

everybody_option = click.option("--everybody", is_flag=True, help="Of all tenants; for an admin of the default tenant.")


@click.group(cls=Group, short_help="What tenants may spend on devices, what is left, and price tables.")
def budgets() -> None:
    """What tenants may spend on devices, what is left, and price tables.

    A job's estimate is held when it is submitted; what it actually used is spent once it has completed, and the whole
    hold is released if it failed. A tenant without a budget may spend without limit, and appears in the reports.
    """


@budgets.command("list")
@tenant_option
@everybody_option
@client_options
@json_option
def list_budgets(client: NodeClient, tenant: str, everybody: bool, as_json: bool) -> None:
    """Budgets as they are now."""
    _show(client.get("/v1/budgets", tenant=tenant, everybody=everybody or "")["items"], as_json=as_json)


@budgets.command()
@click.argument("name")
@tenant_option
@client_options
@json_option
def show(name: str, client: NodeClient, tenant: str, as_json: bool) -> None:
    """Budget NAME, and what jobs held or spent of it in this period."""
    found = client.get(f"/v1/budgets/{quote(name, safe='')}", tenant=tenant)
    if as_json:
        print_json(found)
        return
    _show([found["budget"]], as_json=False)
    unit = found["budget"]["unit"]
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("device", lambda row: row["device"]),
        ("state", lambda row: row["state"]),
        ("estimated", lambda row: _micros(row["estimated"].get(unit, 0))),
        ("took", lambda row: _micros(row["spent"].get(unit, 0)) if row["ended_at_ns"] else "–"),
        ("prices of", lambda row: _dated(row["price"])),
        ("id", lambda row: row["id"]),
    ]
    print_table("Charges, newest first", found["charges"], columns, empty="nothing was drawn from it in this period")


@budgets.command("set")
@click.argument("name")
@click.argument("limit", type=FiniteRange(0))
@click.argument("unit")
@click.option(
    "--every", "period", type=click.Choice(["day", "month", "once"]), default="month", show_default=True,
    help="When it renews, in UTC; once: never.",
)  # fmt: skip
@tenant_option
@client_options
@json_option
def set_budget(
    name: str, limit: float, unit: str, period: str, client: NodeClient, tenant: str, as_json: bool
) -> None:  # fmt: skip
    """Grant LIMIT of UNIT as budget NAME: a currency as named in the price tables, or jobs, shots or seconds."""
    asked = {"name": name, "limit": limit, "unit": unit, "period": period, "tenant": tenant}
    _show([client.post_json("/v1/budgets", asked)], as_json=as_json)
    if unit not in _QUOTAS:
        currencies = sorted({row["currency"] for row in client.get("/v1/budgets/prices")["items"]})
        if unit not in currencies:
            counted = ", ".join((*_QUOTAS, *currencies))
            click.echo(f"nothing is counted in {unit} here as yet, only in {counted}", err=True)


@budgets.command()
@click.argument("name")
@tenant_option
@client_options
@json_option
def remove(name: str, client: NodeClient, tenant: str, as_json: bool) -> None:
    """Remove budget NAME: nothing is held from it any more."""
    params: dict[str, Any] = {"tenant": tenant} if tenant else {}
    path = f"/v1/budgets/{quote(name, safe='')}/remove"
    _show([client.post(path, **params)], as_json=as_json)


@budgets.command()
@client_options
@json_option
def prices(client: NodeClient, as_json: bool) -> None:
    """What each device costs, according to whom, and as of when."""
    rows = client.get("/v1/budgets/prices")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("device", lambda row: row["device"]),
        ("price", _price),
        ("as of", _dated),
        ("source", lambda row: row["source"]),
    ]
    print_table("Prices", rows, columns, empty="there are no devices")


@budgets.command()
@click.argument("device")
@click.option("--currency", default="USD", show_default=True, help="Currency; credits count as one.")
@click.option("--fixed", type=FiniteRange(0), default=0.0, help="Price per job.")
@click.option("--per-shot", type=FiniteRange(0), default=0.0, help="Price per shot.")
@click.option("--per-one", type=FiniteRange(0), default=0.0, help="Price per one-qubit gate of a shot.")
@click.option("--per-two", type=FiniteRange(0), default=0.0, help="Price per two-qubit gate of a shot.")
@click.option("--per-measured", type=FiniteRange(0), default=0.0, help="Price per measurement of a shot.")
@click.option("--per-second", type=FiniteRange(0), default=0.0, help="Price per second of device time.")
@click.option("--per-month", type=FiniteRange(0), default=0.0, help="Flat price; an additional job adds nothing to it.")
@click.option("--minimum", type=FiniteRange(0), default=0.0, help="Minimum price of a job.")
@click.option("--source", default="", help="Who says so: a contract, a page.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="The date at which it was true.")
@click.option("--remove", "removed", is_flag=True, help="Remove the table: the provider's own prices apply again.")
@client_options
@json_option
def price(device: str, removed: bool, client: NodeClient, as_json: bool, **wanted: Any) -> None:
    """Charge DEVICE, or all of a provider (`ibm.*`), by your own price table from now on."""
    if removed:
        row = client.post(f"/v1/budgets/prices/{quote(device, safe='')}/remove")
    else:
        row = client.post_json("/v1/budgets/prices", _table(device, wanted))
    if as_json:
        print_json(row)
        return
    click.echo(f"{device}: {_price(row)}, {row['source']}, {_dated(row)}{' (removed)' if removed else ''}")


def _table(device: str, wanted: dict[str, Any]) -> dict[str, Any]:
    as_of: datetime | None = wanted.pop("as_of")
    if as_of is None or not wanted["source"]:
        raise click.UsageError("a price is told with --source and --as-of: who says so, and of when it is")
    shape = "task-and-shot"
    if wanted["per_one"] or wanted["per_two"] or wanted["per_measured"]:
        shape = "gate-shot"
    elif wanted["per_second"]:
        shape = "per-second"
    elif wanted["per_month"] and not (wanted["fixed"] or wanted["per_shot"]):
        shape = "subscription"
    return {"device": device, "shape": shape, "as_of_ns": int(as_of.replace(tzinfo=UTC).timestamp()) * 10**9, **wanted}


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("budget", lambda row: row["name"]),
        ("tenant", lambda row: row["tenant"]),
        ("unit", lambda row: row["unit"]),
        ("granted", lambda row: f"{row['limit']:,.4f}"),
        ("spent", lambda row: f"{row['spent']:,.4f}"),
        ("held", lambda row: f"{row['held']:,.4f}"),
        ("left", lambda row: f"{row['left']:,.4f}"),
        ("renews", lambda row: time_of("renews_at_ns")(row)[:10] if row["renews_at_ns"] else "never"),
    ]
    print_table("Budgets", rows, columns, empty="there is no budget: phalanx budgets set --help")


def _price(row: Any) -> str:
    parts = [f"{row[name]:g} {name.replace('_', ' ')}" for name in ("fixed", *_PER, "minimum") if row[name]]
    return f"{', '.join(parts)} in {row['currency']}" if parts else "nothing"


def _dated(row: Any) -> str:
    return time_of("as_of_ns")(row)[:10] if row["as_of_ns"] else "always"


def _micros(value: int) -> str:
    return f"{value / 1e6:,.4f}"
