"""Events in bulk: columns with the source's own field names, and a row view.

A batch holds events of one log source, so its columns are dense and a rule that does not
concern the source is skipped for the whole batch. The source's fields are kept as they
came; OCSF is a view over them (``phalanx.intel``), so normalising loses nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from phalanx.core._ids import BatchId, EventId, TenantId, event_id

Value = str | int | float | bool | None


class LogSource(msgspec.Struct, frozen=True):
    """Which program wrote the events, in Sigma's three words; empty means any."""

    product: str = ""
    category: str = ""
    service: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.product, self.category, self.service) if part)


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one log source. All columns have ``len(rows)`` entries; ``None`` is absent.

    ``rows[i]`` is the row the i-th event has in the accepted batch ``batch``, which its id is
    made of. ``times_ns`` is when the source says it happened, ``accepted_at_ns`` when we took
    it. ``raw[i]`` is the line as it came.
    """

    tenant: TenantId
    batch: BatchId
    log_source: LogSource
    reader: str
    accepted_at_ns: int
    rows: Sequence[int]
    times_ns: Sequence[int]
    raw: Sequence[bytes]
    columns: Mapping[str, Sequence[Value]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.rows)
        assert len(self.times_ns) == n == len(self.raw), "times, raw and rows must be equally long"
        assert all(len(column) == n for column in self.columns.values()), "columns must be equally long"

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator["Event"]:
        return (Event(self, i) for i in range(len(self.rows)))


@dataclass(frozen=True, slots=True)
class Event:
    """One row of a batch."""

    batch: EventBatch
    index: int

    @property
    def id(self) -> EventId:
        return event_id(self.batch.batch, self.batch.rows[self.index])

    @property
    def time_ns(self) -> int:
        return self.batch.times_ns[self.index]

    @property
    def raw(self) -> bytes:
        return self.batch.raw[self.index]

    def get(self, name: str) -> Value:
        column = self.batch.columns.get(name)
        return None if column is None else column[self.index]

    def fields(self) -> dict[str, Any]:
        """The fields that are present, under the source's own names."""
        values = ((name, column[self.index]) for name, column in self.batch.columns.items())
        return {name: value for name, value in values if value is not None}
