"""Events for `phalanx bench search`: those of recordings again and again, with values that do not repeat.

Identifiers, record numbers and times are others in each event, hosts are 500, and one command line in four says
something nobody said before. What stays of a value is cut once, so that making an event costs less than archiving it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from phalanx.core import NS_PER_S, BatchId, EventBatch, Value

START_NS = 1_772_445_600 * NS_PER_S
GAP_NS = 50_000_000
_UNIQUE = frozenset(
    (
        "ProcessGuid", "ParentProcessGuid", "SourceProcessGUID", "TargetProcessGUID", "RecordNumber", "UtcTime",
        "ThreadID", "EventReceivedTime", "@timestamp", "EventTime", "SubjectLogonId", "TargetLogonId", "Message",
    )
)  # fmt: skip
_HOSTS = [f"ws-{number}.corp.example" for number in range(500)]
_SCATTER = np.uint64(2_654_435_761)
_LETTERS = 12

# From the number of the first event, what each event has that no other has, and the turn: the values of a column.
Column = Callable[[int, Sequence[str], int], Sequence[Value]]


def without_message(batch: EventBatch) -> EventBatch:
    """The event without itself once more in words."""
    return replace(batch, columns={name: column for name, column in batch.columns.items() if name != "Message"})


def perturbed(base: Sequence[EventBatch], n: int) -> Iterator[EventBatch]:
    """``n`` events or a few more, in batches like those of ``base``."""
    made, turn = 0, 0
    columns = [{name: _column(name, values) for name, values in batch.columns.items()} for batch in base]
    while made < n:
        for batch, makers in zip(base, columns, strict=True):
            rows, own = len(batch), _own(made, len(batch))
            yield EventBatch(
                batch.tenant, BatchId(f"{made >> 12:08x}-0000-7000-8000-000000000000"), batch.log_source, batch.reader,
                START_NS, range(made & 0xFFF, (made & 0xFFF) + rows),
                range(START_NS + made * GAP_NS, START_NS + (made + rows) * GAP_NS, GAP_NS), batch.raw,
                {name: make(made, own, turn) for name, make in makers.items()},
            )  # fmt: skip
            made += rows
            if made >= n:
                return
        turn += 1


def _own(made: int, rows: int) -> list[str]:
    """Letters for each event that no other event has."""
    scattered = np.arange(made, made + rows, dtype=np.uint64) * _SCATTER
    letters = scattered.astype(">u8").tobytes().hex()
    return [letters[at + 16 - _LETTERS : at + 16] for at in range(0, 16 * rows, 16)]


def _column(name: str, values: Sequence[Value]) -> Column:
    if name in _UNIQUE:
        return _unique(values)
    if name == "Hostname":
        there = [value is not None for value in values]
        return lambda _, __, turn: [
            _HOSTS[(turn + row) % 500] if is_there else None for row, is_there in enumerate(there)
        ]
    if name == "CommandLine":
        return lambda _, own, turn: _commands(values, own) if turn % 8 else values
    return lambda _, __, ___: values


def _unique(values: Sequence[Value]) -> Column:
    if all(isinstance(value, str) for value in values):
        starts = [value[: -_LETTERS - 1] for value in values if isinstance(value, str)]
        ends = [value[-1:] for value in values if isinstance(value, str)]
        return lambda _, own, __: [f"{start}{one}{end}" for start, one, end in zip(starts, own, ends, strict=True)]
    return lambda made, own, _: [_otherwise(value, own[row], made + row) for row, value in enumerate(values)]


def _otherwise(value: Value, own: str, number: int) -> Value:
    if value is None:
        return None
    return f"{value[: -_LETTERS - 1]}{own}{value[-1:]}" if isinstance(value, str) else number


def _commands(values: Sequence[Value], own: Sequence[str]) -> list[Value]:
    return [
        f"{value} /job:{own[row]}" if row % 4 == 0 and value is not None else value for row, value in enumerate(values)
    ]
