"""Events of one tenant as columns of codes: what is gathered in memory, and what a segment holds.

A column is a list of its different values and, for every event, a code: 0 where the event does not have the field, and
otherwise the value's place in the list, from 1. Most questions look at the values alone and carry over to the events by
their codes. Nothing is lost: the events come back as the batches that they came in.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import BatchId, EventBatch, LogSource, TenantId, Value
from phalanx.intel.sigma import as_text

Codes = npt.NDArray[np.unsignedinteger[Any]]
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


Coder = defaultdict[Key | None, int]


def _coder() -> Coder:
    """Gives every new value the next code; in the order of codes from 0, which is none."""
    return defaultdict(count(1).__next__, {None: 0})


def _keys_of(coder: Coder) -> list[Key]:
    return list(islice(coder, 1, None))  # type: ignore[arg-type]


class _Numbers(dict[int | None, int]):
    """Codes of whole numbers, so that each is made a text once."""

    def __init__(self, coder: Coder) -> None:
        super().__init__({None: 0})
        self._coder = coder

    def __missing__(self, number: int | None) -> int:
        assert number is not None, "none is there from the beginning"
        code = self[number] = self._coder[INT, as_text(number)]
        return code


class _Growing:
    """A column that is gathered. Every value costs one look into a table, and none is handled by itself."""

    __slots__ = ("_code", "_code_of_number", "_codes", "coder")

    def __init__(self) -> None:
        self.coder = _coder()
        self._codes = array("I")
        self._code = self.coder.__getitem__
        self._code_of_number = _Numbers(self.coder).__getitem__

    def add(self, start: int, values: Sequence[Value]) -> None:
        """Take the values of the events from ``start`` on."""
        self._fill(start)
        kinds = set(map(type, values))
        if kinds <= _TEXTS:
            self._codes.extend(map(self._code, values))  # type: ignore[arg-type]
        elif kinds <= _WHOLE:
            self._codes.extend(map(self._code_of_number, values))  # type: ignore[arg-type]
        else:
            self._codes.extend(map(self._code, _keys(values)))

    def column(self, n: int) -> Column:
        """The column of ``n`` events as it is now."""
        self._fill(n)
        keys = _keys_of(self.coder)
        return Column(keys, np.array(self._codes, code_type(len(keys))))

    def _fill(self, n: int) -> None:
        """Up to the event ``n`` nobody has the field."""
        if gap := n - len(self._codes):
            self._codes.frombytes(bytes(gap * self._codes.itemsize))


class Builder:
    """Gathers batches of one tenant."""

    def __init__(self, tenant: TenantId) -> None:
        self._tenant = tenant
        self._times: list[int] = []
        self._rows: list[int] = []
        self._origins: dict[Origin, int] = {}
        self._origin: list[int] = []
        self._columns: dict[str, _Growing] = {}

    def __len__(self) -> int:
        return len(self._times)

    @property
    def cells(self) -> int:
        """Rows times fields."""
        return len(self._times) * len(self._columns)

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
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = _Growing()
            column.add(start, values)

    def piece(self) -> Piece:
        """What was gathered so far."""
        n = len(self._times)
        return Piece(
            self._tenant, np.array(self._times, np.int64), list(self._origins), np.array(self._origin, np.uint32),
            np.array(self._rows, np.uint32),
            {name: column.column(n) for name, column in self._columns.items() if len(column.coder) > 1},
        )  # fmt: skip


def joined(pieces: Sequence[Piece]) -> Piece:
    """When and where the events of all pieces are from, which are one tenant's: without columns."""
    origins: dict[Origin, int] = {}
    numbers = []
    for piece in pieces:
        ours = np.array([origins.setdefault(origin, len(origins)) for origin in piece.origins], np.uint32)
        numbers.append(ours[piece.origin])
    return Piece(
        pieces[0].tenant, np.concatenate([piece.times_ns for piece in pieces]), list(origins),
        np.concatenate(numbers), np.concatenate([piece.rows for piece in pieces]), {},
    )  # fmt: skip


def joined_columns(pieces: Sequence[Piece]) -> Iterator[tuple[str, Column]]:
    """The columns of all pieces, one piece after another: each made when asked for, as all together are large."""
    n = sum(map(len, pieces))
    for name in dict.fromkeys(name for piece in pieces for name in piece.columns):
        coder = _coder()
        codes = np.zeros(n, np.uint32)
        start = 0
        for piece in pieces:
            column = piece.columns.get(name)
            if column is not None:
                renewed = np.fromiter(chain((0,), map(coder.__getitem__, column.keys)), np.uint32, len(column.keys) + 1)
                codes[start : start + len(piece)] = renewed[column.codes]
            start += len(piece)
        keys = _keys_of(coder)
        yield name, Column(keys, codes.astype(code_type(len(keys))))


def code_type(n_values: int) -> type[np.unsignedinteger[Any]]:
    """The narrowest that holds the codes of so many values, and 0."""
    return np.uint8 if n_values < 1 << 8 else np.uint16 if n_values < 1 << 16 else np.uint32


def _keys(values: Sequence[Value]) -> list[Key | None]:
    return [value if value.__class__ in _TEXTS else (_KINDS[value.__class__], as_text(value)) for value in values]  # type: ignore[misc]


_TEXTS = {str, type(None)}
_WHOLE = {int, type(None)}


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
