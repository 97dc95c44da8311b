"""`phalanx reports`: chargeback, device revenue, and service levels."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
_DAYS = 30
_ALL = 1_000_000


@click.group(cls=Group, short_help="Who used what, what devices earned, and whether promises were kept.")
def reports() -> None:
    """Who used what and what it cost, what each device earned, and whether promises were kept.

    A report covers jobs submitted from one moment up to, but not including, another, in UTC: by default the last 30
    days. The lines of `charges` add up to `chargeback`, and `chargeback` to `revenue`.
    """


def _span(command: Callable[..., None]) -> Callable[..., None]:
    """Options of every report."""
    csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")
    to_option = click.option(
        "--to", "until", type=click.DateTime(_DATES), help="Jobs submitted before then; by default now."
    )
    from_option = click.option(
        "--from", "since", type=click.DateTime(_DATES),
        help=f"Jobs submitted from then on; by default from {_DAYS} days before.",
    )  # fmt: skip
    month_option = click.option(
        "--month", type=click.DateTime(["%Y-%m"]), help="Jobs submitted in this month of UTC, e.g. 2026-11."
    )
    return month_option(from_option(to_option(client_options(csv_option(json_option(command))))))


_tenant = click.option("--tenant", default="", help="Only this tenant; an admin of the default tenant sees all.")


@reports.command()
@_tenant
@_span
def chargeback(client: NodeClient, tenant: str, **shown: Any) -> None:
    """What each tenant's jobs used on each device, and what that cost."""
    columns: list[Column] = [
        ("tenant", lambda row: row["tenant"]),
        ("device", lambda row: row["device"]),
        ("jobs", lambda row: str(row["jobs"])),
        ("failed", lambda row: str(row["failed"])),
        ("cancelled", lambda row: str(row["cancelled"])),
        ("shots", lambda row: f"{row['shots']:,.0f}"),
        ("seconds", lambda row: f"{row['seconds']:,.3f}"),
        ("cost", lambda row: f"{row['cost']:,.4f} {row['currency']}"),
        ("still held", lambda row: f"{row['held']:,.4f}"),
    ]
    _report(client, "chargeback", columns, {"tenant": tenant}, sums=("cost", "held"), **shown)


@reports.command()
@_tenant
@limit_option
@_span
def charges(client: NodeClient, tenant: str, limit: int, **shown: Any) -> None:
    """Job by job, what each was charged or holds: lines for accounting; with --csv and --json all of them."""
    columns: list[Column] = [
        ("submitted", time_of("submitted_at_ns")),
        ("tenant", lambda row: row["tenant"]),
        ("device", lambda row: row["device"]),
        ("job ended", lambda row: row["ended"] or "–"),
        ("money", lambda row: row["state"]),
        ("shots", lambda row: f"{row['shots']:,.0f}"),
        ("seconds", lambda row: f"{row['seconds']:,.3f}"),
        ("cost", lambda row: f"{row['cost']:,.4f} {row['currency']}"),
        ("still held", lambda row: f"{row['held']:,.4f}"),
        ("prices", lambda row: f"{row['price_source']}, {_dated(row)}" if row["price_as_of_ns"] else "–"),
        ("id", lambda row: row["job"]),
    ]
    most = _ALL if shown["as_csv"] or shown["as_json"] else limit
    _report(client, "charges", columns, {"tenant": tenant}, most=most, **shown)


@reports.command()
@_span
def revenue(client: NodeClient, **shown: Any) -> None:
    """What each device earned, and how much of the time it was charged for."""
    columns: list[Column] = [
        ("device", lambda row: row["device"]),
        ("jobs", lambda row: str(row["jobs"])),
        ("seconds", lambda row: f"{row['seconds']:,.3f}"),
        ("busy", lambda row: f"{row['busy']:.2%}"),
        ("revenue", lambda row: f"{row['revenue']:,.4f} {row['currency']}"),
        ("flat", lambda row: f"{row['flat']:,.4f}"),
        ("per busy hour", lambda row: "–" if row["per_hour"] is None else f"{row['per_hour']:,.2f}"),
        ("prices by", lambda row: row["price_source"]),
    ]
    _report(client, "revenue", columns, {}, sums=("revenue", "flat"), **shown)


@reports.command()
@_tenant
@click.option(
    "--promised", type=click.FloatRange(0, 1), default=0.999, show_default=True, help="Availability that was promised."
)
@_span
def sla(client: NodeClient, tenant: str, promised: float, **shown: Any) -> None:
    """Availability, success, deadlines and waiting of each tenant, compared with what was promised."""
    columns: list[Column] = [
        ("tenant", lambda row: row["tenant"]),
        ("jobs", lambda row: str(row["jobs"])),
        ("succeeded", lambda row: _part(row["succeeded"])),
        ("in time", lambda row: _part(row["in_time"])),
        ("waited p50 / p99 s", lambda row: f"{_seconds(row['wait_s_p50'])} / {_seconds(row['wait_s_p99'])}"),
        ("available", lambda row: _part(row["availability"])),
        ("promised", lambda row: _part(row["promised"])),
        ("kept", lambda row: {True: "yes", False: "no"}.get(row["kept"], "–")),
    ]
    _report(client, "sla", columns, {"tenant": tenant, "promised": promised}, **shown)


@reports.command()
@_tenant
@client_options
@json_option
def forecast(client: NodeClient, tenant: str, as_json: bool) -> None:
    """Forecast of job arrivals by device, and of device queues, five minutes to six hours ahead."""
    rows = client.get("/v1/reports/forecasts", tenant=tenant)["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("of", lambda row: f"{row['what']} of {row['of']}"),
        ("ahead", lambda row: f"{row['ahead_s'] // 60} min"),
        ("expected", lambda row: f"{row['value']:,.1f}"),
        ("four of five", lambda row: f"{row['low']:,.1f} to {row['high']:,.1f}" if row["spread"] else "not known yet"),
        ("by", lambda row: row["by"]),
        ("mean error", lambda row: _error(row, row["by"])),
        ("of persistence", lambda row: _error(row, "persistence")),
        ("workers", lambda row: "" if row["workers"] is None else str(row["workers"])),
    ]
    print_table("Forecasts", rows, columns, empty="no job was submitted in the last week, and no queue was looked at")


def _error(row: Any, way: str) -> str:
    return f"{row['errors'][way]:,.2f}" if row["errors"] else "–"


def _report(
    client: NodeClient, name: str, columns: list[Column], params: dict[str, Any], *, since: datetime | None,
    until: datetime | None, month: datetime | None, as_csv: bool, as_json: bool, sums: tuple[str, ...] = (),
    most: int | None = None,
) -> None:  # fmt: skip
    """``sums`` are the amounts of money whose totals stand below; of a report in pages ``most`` rows are asked for."""
    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    if month is not None and (since or until):
        raise click.UsageError("--month, or --from and --to, not both")
    start, end = _month(month) if month is not None else _from_to(since, until)
    asked = {"from": start.isoformat(), "to": end.isoformat(), **params}
    path = f"/v1/reports/{name}"
    rows = client.get(path, **asked)["items"] if most is None else list(client.pages(path, limit=most, **asked))
    if as_json:
        print_json(rows)
        return
    if as_csv:
        _print_csv(name, rows, {"from": asked["from"], "to": asked["to"]})
        return
    span = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    print_table(f"{name.capitalize()}, {span}", rows, columns, empty=f"no job was submitted from {span}")
    for amount in sums if rows else ():
        if told := _totals(rows, amount):
            click.echo(f"{amount} in all: {told}")
    if most is not None and len(rows) == most:
        click.echo(f"there may be more than these {most}: --limit, or all of them with --csv")


def _from_to(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    end = until or _now()
    return since or end - timedelta(days=_DAYS), end


def _month(month: datetime) -> tuple[datetime, datetime]:
    return month, (month + timedelta(days=31)).replace(day=1)


def _totals(rows: list[dict[str, Any]], amount: str) -> str:
    """By currency, where there is any; summed in millionths, as on the node."""
    found: dict[str, int] = {}
    for row in rows:
        found[row["currency"]] = found.get(row["currency"], 0) + round(row[amount] * 1e6)
    return ", ".join(f"{micros / 1e6:,.4f} {currency}" for currency, micros in sorted(found.items()) if micros)


def _dated(row: Any) -> str:
    return time_of("price_as_of_ns")(row)[:10]


def _now() -> datetime:
    """The next whole second, so that what was submitted just now is included. Without a zone, like the others: UTC."""
    from phalanx.adapters import SystemClock
    from phalanx.core import NS_PER_S

    return datetime.fromtimestamp(SystemClock().wall_ns() // NS_PER_S + 1, tz=UTC).replace(tzinfo=None)


def _print_csv(name: str, rows: list[dict[str, Any]], span: dict[str, str]) -> None:
    import msgspec

    from phalanx.allocation import reports as made

    kinds: dict[str, type[msgspec.Struct]] = {
        "chargeback": made.ChargebackRow, "charges": made.ChargeRow, "revenue": made.RevenueRow, "sla": made.SlaRow,
    }  # fmt: skip
    kind = kinds[name]
    told = made.csv_of([msgspec.convert(row, kind) for row in rows], kind, beside=span)
    click.echo(told, nl=False)


def _part(value: float | None) -> str:
    return "–" if value is None else f"{value:.4%}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3f}"
