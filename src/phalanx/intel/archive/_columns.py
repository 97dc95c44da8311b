"""Events of one tenant as columns of codes: what is gathered in memory, and what a segment holds.

A column is a list of its different values and, for every event, a code: 0 where the event does not have the field, and
otherwise the value's place in the list, from 1. Most questions look at the values alone and carry over to the events by
their codes. Nothing is lost: the events come back as the batches that they came in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import BatchId, EventBatch, LogSource, TenantId, Value
from phalanx.intel.sigma import as_text

Codes = npt.NDArray[np.uint32]
Times = npt.NDArray[np.int64]

# How a value is told from one of another type that is written alike.
STR, INT, FLOAT, BOOL = 0, 1, 2, 3
_KINDS = {str: STR, int: INT, float: FLOAT, bool: BOOL}
# A value that is a text is its own key; others are told apart, since 1, 1.0 and true are one key.
Key = str | tuple[int, str]


@dataclass(frozen=True, slots=True)
class Column:
    """``keys`` are the different values; ``codes`` has an entry for every event."""

    keys: Sequence[Key]
    codes: Codes


@dataclass(frozen=True, slots=True)
class Origin:
    """What events of one accepted batch share: one entry for each batch and log source."""

    batch: BatchId
    accepted_at_ns: int
    log_source: LogSource
    reader: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Events in the order in which they were read. ``origins[origin[i]]`` is where the i-th came from."""

    tenant: TenantId
    times_ns: Times
    origins: Sequence[Origin]
    origin: Codes
    rows: Codes
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.times_ns)


class _Coder(dict[Key | None, int]):
    """Gives every new value the next code."""

    def __missing__(self, key: Key | None) -> int:
        code = self[key] = len(self)
        return code


class Builder:
    """Gathers batches of one tenant."""

    def __init__(self, tenant: TenantId) -> None:
        self._tenant = tenant
        self._times: list[int] = []
        self._rows: list[int] = []
        self._origins: dict[Origin, int] = {}
        self._origin: list[int] = []
        self._coders: dict[str, _Coder] = {}
        self._runs: dict[str, list[tuple[int, list[int]]]] = {}

    def __len__(self) -> int:
        return len(self._times)

    @property
    def cells(self) -> int:
        """Rows times fields."""
        return len(self._times) * len(self._coders)

    def add(self, batch: EventBatch) -> None:
        """Add the events of ``batch``."""
        assert batch.tenant == self._tenant, "one builder, one tenant"
        start = len(self._times)
        origin = Origin(batch.batch, batch.accepted_at_ns, batch.log_source, batch.reader)
        number = self._origins.setdefault(origin, len(self._origins))
        self._times += batch.times_ns
        self._rows += batch.rows
        self._origin += [number] * len(batch)
        for name, values in batch.columns.items():
            coder = self._coders.get(name)
            if coder is None:
                coder = self._coders[name] = _Coder({None: 0})
                self._runs[name] = []
            self._runs[name].append((start, [coder[key] for key in _keys(values)]))

    def piece(self) -> Piece:
        """What was gathered so far."""
        n = len(self._times)
        columns = {}
        for name, coder in self._coders.items():
            codes = np.zeros(n, np.uint32)
            for start, run in self._runs[name]:
                codes[start : start + len(run)] = run
            if len(coder) > 1:
                keys = list(coder)
                columns[name] = Column([key for key in keys[1:] if key is not None], codes)
        return Piece(
            self._tenant, np.array(self._times, np.int64), list(self._origins), np.array(self._origin, np.uint32),
            np.array(self._rows, np.uint32), columns,
        )  # fmt: skip


def merge(pieces: Sequence[Piece]) -> Piece:
    """The events of all pieces, which are one tenant's, one piece after another."""
    if len(pieces) == 1:
        return pieces[0]
    n = sum(map(len, pieces))
    origins: dict[Origin, int] = {}
    coders: dict[str, _Coder] = {}
    codes: dict[str, Codes] = {}
    numbers = []
    start = 0
    for piece in pieces:
        ours = np.array([origins.setdefault(origin, len(origins)) for origin in piece.origins], np.uint32)
        numbers.append(ours[piece.origin])
        for name, column in piece.columns.items():
            coder = coders.get(name)
            if coder is None:
                coder = coders[name] = _Coder({None: 0})
                codes[name] = np.zeros(n, np.uint32)
            renewed = np.array([0, *[coder[key] for key in column.keys]], np.uint32)
            codes[name][start : start + len(piece)] = renewed[column.codes]
        start += len(piece)
    columns = {name: Column([key for key in coder if key is not None], codes[name]) for name, coder in coders.items()}
    return Piece(
        pieces[0].tenant, np.concatenate([piece.times_ns for piece in pieces]), list(origins),
        np.concatenate(numbers), np.concatenate([piece.rows for piece in pieces]), columns,
    )  # fmt: skip


def _keys(values: Sequence[Value]) -> Sequence[Key | None]:
    if {value.__class__ for value in values} <= _TEXTS:
        return values  # type: ignore[return-value]
    return [value if value.__class__ in _TEXTS else (_KINDS[value.__class__], as_text(value)) for value in values]  # type: ignore[misc]


_TEXTS = {str, type(None)}


def text_of(key: Key) -> str:
    """A value as questions compare it."""
    return key if isinstance(key, str) else key[1]


def kind_of(key: Key) -> int:
    return STR if isinstance(key, str) else key[0]


def key_of(kind: int, text: str) -> Key:
    return text if kind == STR else (kind, text)


def value_of(key: Key) -> Value:
    """The value that a key stands for, of the type that it had."""
    if isinstance(key, str):
        return key
    kind, text = key
    if kind == INT:
        return int(text)
    return float(text) if kind == FLOAT else text == "true"


def events_of(
    piece_columns: Mapping[str, tuple[Sequence[Value], Codes]], tenant: TenantId, times_ns: Times,
    origins: Sequence[Origin], origin: Codes, rows: Codes,
) -> list[EventBatch]:  # fmt: skip
    """Events as batches, each of one origin, in the order of the origins; columns are values by code and codes."""
    made = []
    for number in np.unique(origin):
        at = np.flatnonzero(origin == number)
        one = origins[int(number)]
        columns: dict[str, list[Value]] = {}
        for name, (values, codes) in piece_columns.items():
            mine = codes[at]
            if mine.any():
                columns[name] = [values[code] for code in mine.tolist()]
        made.append(
            EventBatch(
                tenant, one.batch, one.log_source, one.reader, one.accepted_at_ns, rows[at].tolist(),
                times_ns[at].tolist(), [b""] * len(at), columns,
            )
        )  # fmt: skip
    return made
