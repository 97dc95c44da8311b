"""Events that are asked together: a segment, of which blocks are loaded as they are wanted, or a piece in memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from phalanx.core import BatchId, LogSource, StorageCorrupt, TenantId
from phalanx.intel.archive._columns import Codes, Column, Origin, Piece, Times, code_type
from phalanx.intel.archive._directory import (
    PACK_ERRORS,
    Directory,
    Kind,
    origins_of,
    times_of,
    unpacked,
    unshuffled,
)
from phalanx.intel.archive._filters import Filter
from phalanx.intel.archive._limits import SMALL_VALUES_BYTES
from phalanx.intel.archive._values import SEPARATOR_BYTE, Flags, Values

Kinds = npt.NDArray[np.uint32]


class Small(NamedTuple):
    """The values of all columns that have few, as one text: asked at once. ``starts`` says where each begins."""

    fields: tuple[int, ...]
    starts: npt.NDArray[np.int64]
    values: Values

    def split(self, flags: Flags) -> dict[int, Flags]:
        """What passed, by column."""
        at = np.flatnonzero(flags)
        hit = np.unique(np.searchsorted(self.starts, at, side="right") - 1)
        return {self.fields[one]: flags[self.starts[one] : self.starts[one + 1]] for one in hit.tolist()}


def _together(fields: tuple[int, ...], parts: Sequence[tuple[int, bytes]]) -> Small:
    starts = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([n_values for n_values, _ in parts], out=starts[1:])
    return Small(fields, starts, Values(b"".join([blob[:-1] for _, blob in parts]) + SEPARATOR_BYTE))


class Shard(ABC):
    """Events that are asked together: a segment, or a piece in memory. Blocks that are asked for must be loaded."""

    n: int
    low_ns: int
    high_ns: int
    tenant: TenantId
    kinds: tuple[Kind, ...]
    names: Mapping[str, int]
    by_lower: Mapping[str, tuple[int, ...]]

    def _name(self, names: Iterable[str]) -> None:
        self.names = {name: number for number, name in enumerate(names)}
        by_lower: dict[str, list[int]] = {}
        for name, number in self.names.items():
            by_lower.setdefault(name.lower(), []).append(number)
        self.by_lower = {name: tuple(found) for name, found in by_lower.items()}

    def may_hold(self, field: int, needs: list[list[int]]) -> bool:  # noqa: ARG002 - the shape of a segment's
        """Whether the values of a field may be such, as far as filters tell."""
        return True

    def has(self, field: int, sources: set[LogSource]) -> bool:  # noqa: ARG002
        """Whether events of one of ``sources`` have the field."""
        return True

    def packed_bytes(self, field: int) -> int:  # noqa: ARG002
        """What has to be read of a field before its values can be tested."""
        return 0

    def kinds_with(self, field: int) -> Iterable[int]:  # noqa: ARG002
        """The numbers of the kinds of events that may have the field."""
        return range(len(self.kinds))

    @abstractmethod
    def is_small(self, field: int) -> bool:
        """Whether a field has few values, which are at hand without loading anything."""

    @cached_property
    def small(self) -> Small:
        """The values of all small fields."""
        fields = tuple(at for at in self.names.values() if self.is_small(at))
        return _together(fields, [(len(self.values(at)), self.values(at).blob) for at in fields])

    @abstractmethod
    def values(self, field: int) -> Values:
        """The different values of a field."""

    @abstractmethod
    def codes(self, field: int) -> npt.NDArray[Any]:
        """For each event which of them it has."""

    @property
    @abstractmethod
    def times_ns(self) -> Times:
        """For each event when it was."""

    @property
    @abstractmethod
    def origins(self) -> tuple[Origin, ...]:
        """Where events came from."""

    @property
    @abstractmethod
    def kind_of(self) -> Kinds:
        """For each origin the number of its kind."""

    @property
    @abstractmethod
    def places(self) -> tuple[Codes, Codes]:
        """For each event the number of its origin, and its row."""

    def piece(self) -> Piece:
        """All of it."""
        columns = {name: Column(self.values(at).keys(), self.codes(at)) for name, at in self.names.items()}
        return replace(self.without_columns(), columns=columns)

    def without_columns(self) -> Piece:
        """When and where its events are from."""
        origin, rows = self.places
        return Piece(self.tenant, self.times_ns, self.origins, origin, rows, {})


class PieceShard(Shard):
    """A piece in memory."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self.n = len(piece)
        self.tenant = piece.tenant
        self.low_ns, self.high_ns = int(piece.times_ns.min()), int(piece.times_ns.max())
        numbers: dict[Kind, int] = {}
        self._kind_of = np.array(
            [numbers.setdefault(Kind(one.log_source, one.reader), len(numbers)) for one in piece.origins], np.uint32
        )
        self.kinds = tuple(numbers)
        self._columns = list(piece.columns.values())
        self._values: dict[int, Values] = {}
        self._name(piece.columns)

    def values(self, field: int) -> Values:
        found = self._values.get(field)
        if found is None:
            found = self._values[field] = Values.of(self._columns[field].keys)
        return found

    def is_small(self, field: int) -> bool:
        return len(self.values(field).blob) <= SMALL_VALUES_BYTES

    def codes(self, field: int) -> npt.NDArray[Any]:
        return self._columns[field].codes

    @property
    def times_ns(self) -> Times:
        return self._piece.times_ns

    @property
    def origins(self) -> tuple[Origin, ...]:
        return tuple(self._piece.origins)

    @property
    def kind_of(self) -> Kinds:
        return self._kind_of

    @property
    def places(self) -> tuple[Codes, Codes]:
        return self._piece.origin, self._piece.rows

    def piece(self) -> Piece:
        return self._piece


class SegmentShard(Shard):
    """A segment whose directory was read. ``loaded`` are its blocks as far as they are in memory."""

    def __init__(self, name: str, tenant: TenantId, directory: Directory) -> None:
        self.name = name
        self.tenant = tenant
        self.directory = directory
        self.n, self.low_ns, self.high_ns = directory.n, directory.low_ns, directory.high_ns
        self.kinds = tuple(Kind(LogSource(*one[:3]), one[3]) for one in directory.kinds)
        self.loaded: dict[str, Any] = {}
        self._small: dict[int, Values] = {}
        self._name(field.name for field in directory.fields)

    def missing(self, blocks: Iterable[str]) -> list[str]:
        return [one for one in dict.fromkeys(blocks) if one in self.directory.blocks and one not in self.loaded]

    def take(self, block: str, data: bytes) -> int:
        """Unpack a block that was opened; what it takes in memory."""
        try:
            made, size = self._made(block, data)
        except PACK_ERRORS as error:
            raise StorageCorrupt(f"segment {self.name}", 0, f"block {block}: {error}") from error
        self.loaded[block] = made
        return size

    def _made(self, block: str, data: bytes) -> tuple[Any, int]:
        if block[0] == "f":
            return Filter(data), len(data)
        plain = unpacked(data)
        if block == "times":
            times = times_of(self.directory, plain)
            return times, times.nbytes
        if block == "places":
            half = len(plain) // 2
            return (unshuffled(plain[:half], "u4"), unshuffled(plain[half:], "u4")), len(plain)
        if block == "origins":
            entries = origins_of(plain)
            origins = tuple(Origin(BatchId(one.batch), one.accepted_at_ns, *self.kinds[one.kind]) for one in entries)
            return (origins, np.array([one.kind for one in entries], np.uint32)), 4 * len(plain)
        field = self.directory.fields[int(block[1:])]
        if block[0] == "v":
            values = Values(plain, field.types)
            return values, values.size
        codes = unshuffled(plain, code_type(field.n_values))
        return codes, codes.nbytes

    def may_hold(self, field: int, needs: list[list[int]]) -> bool:
        asked: Filter | None = self.loaded.get(f"f{field}")
        return not needs or asked is None or any(asked.may_hold(group) for group in needs)

    def has(self, field: int, sources: set[LogSource]) -> bool:
        return any(self.kinds[one].log_source in sources for one in self.directory.fields[field].kinds)

    def packed_bytes(self, field: int) -> int:
        return self.directory.blocks[f"v{field}"][1] if f"v{field}" in self.directory.blocks else 0

    def kinds_with(self, field: int) -> Iterable[int]:
        return self.directory.fields[field].kinds

    def is_small(self, field: int) -> bool:
        return bool(self.directory.fields[field].values)

    @cached_property
    def small(self) -> Small:
        entries = [(at, entry) for at, entry in enumerate(self.directory.fields) if entry.values]
        return _together(tuple(at for at, _ in entries), [(entry.n_values, entry.values) for _, entry in entries])

    def values(self, field: int) -> Values:
        entry = self.directory.fields[field]
        if not entry.values:
            made: Values = self.loaded[f"v{field}"]
            return made
        found = self._small.get(field)
        if found is None:
            found = self._small[field] = Values(entry.values, entry.types)
        return found

    def codes(self, field: int) -> npt.NDArray[Any]:
        codes: npt.NDArray[Any] = self.loaded[f"c{field}"]
        return codes

    @property
    def times_ns(self) -> Times:
        times: Times = self.loaded["times"]
        return times

    @property
    def origins(self) -> tuple[Origin, ...]:
        origins: tuple[Origin, ...] = self.loaded["origins"][0]
        return origins

    @property
    def kind_of(self) -> Kinds:
        kind_of: Kinds = self.loaded["origins"][1]
        return kind_of

    @property
    def places(self) -> tuple[Codes, Codes]:
        places: tuple[Codes, Codes] = self.loaded["places"]
        return places
