"""The rows of each report, and how they become a file for a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from phalanx.core import iso_from_ns

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ChargebackRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one tenant's jobs on one device took. ``held`` is of those that are still under way.

    A job counts on the device that it is on, or ended on; what another device was charged for it is in the row of that
    one, and what is charged in another currency in a row of its own, which count no job for it.
    """

    tenant: str
    device: str
    currency: str
    jobs: int
    completed: int
    failed: int
    cancelled: int
    shots: float
    seconds: float
    cost: float
    held: float


class ChargeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one job was charged, or holds, on one device in one currency: a line for accounting.

    ``state`` is that of its money (held, settled, released), ``ended`` that of the job, once it has ended. All lines of
    a time add up to its chargeback. ``price_as_of_ns`` 0: no list of prices is known.
    """

    job: str
    tenant: str
    device: str
    submitted_at_ns: int
    ended_at_ns: int
    state: str
    ended: str
    shots: float
    seconds: float
    cost: float
    held: float
    currency: str
    price_source: str
    price_as_of_ns: int


class RevenueRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one device earned. ``flat`` is the part of its monthly price that falls into the time of the report.

    ``busy`` is the seconds that were charged over those of the report; ``per_hour`` is money per busy hour.
    """

    device: str
    provider: str
    origin: str
    currency: str
    jobs: int
    seconds: float
    busy: float
    revenue: float
    flat: float
    per_hour: float | None
    price_source: str
    price_as_of_ns: int


class SlaRow(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what was promised to a tenant was kept. ``None`` where nothing was seen to judge by.

    ``availability`` is the share of time in which the node was up and a device took work; ``promised`` is what it is
    held against. ``in_time`` counts jobs that had a deadline. Waiting is from submission to beginning.
    """

    tenant: str
    jobs: int
    completed: int
    failed: int
    cancelled: int
    under_way: int
    succeeded: float | None
    with_deadline: int
    in_time: float | None
    wait_s_p50: float | None
    wait_s_p99: float | None
    run_s_p50: float | None
    node_up: float | None
    devices_up: float | None
    availability: float | None
    promised: float
    kept: bool | None


def csv_of(
    rows: Sequence[msgspec.Struct], kind: type[msgspec.Struct], *, beside: Mapping[str, str] | None = None,
    heading: bool = True,
) -> str:  # fmt: skip
    """With a heading, lines ended as RFC 4180 says. ``beside`` are columns in front that are the same on each line.

    Numbers are written out, without exponents. Times are those of ISO 8601 in UTC, under the name of the field without
    its ``_ns``. A text that a spreadsheet would calculate is quoted as a text.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    same, names = beside or {}, kind.__struct_fields__
    if heading:
        writer.writerow([*same, *(name.removesuffix("_ns") for name in names)])
    for row in rows:
        writer.writerow([*map(_cell, same.values()), *(_written(name, getattr(row, name)) for name in names)])
    return out.getvalue()


def _written(name: str, value: object) -> object:
    if name.endswith("_ns") and isinstance(value, int):
        return iso_from_ns(value)[:19] + "Z" if value else ""
    return _cell(value)


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return value
