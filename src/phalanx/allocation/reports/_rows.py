"""The rows of each report, and how they become a file for a spreadsheet."""

import csv
import io
from collections.abc import Sequence

import msgspec

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ChargebackRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one tenant's jobs on one device took. ``held`` is of those that are still under way."""

    tenant: str
    device: str
    currency: str
    jobs: int
    completed: int
    failed: int
    shots: float
    seconds: float
    cost: float
    held: float


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


def csv_of(rows: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> str:
    """With a heading, lines ended as RFC 4180 says. A text that a spreadsheet would calculate is quoted as a text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(kind.__struct_fields__)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in kind.__struct_fields__])
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
