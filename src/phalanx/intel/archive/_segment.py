"""A segment: events of one tenant in a file that is written once, in blocks that are read one by one.

First the blocks, each packed and then sealed, and last the directory, which says where they are; a row of the store
says where the directory is. Blocks are ``times`` and ``places`` of the events, ``filters`` of the columns, and for the
column ``i`` its values ``v<i>``, unless they are few and lie in the directory, and its codes ``c<i>``.
"""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.core import BatchId, LogSource, StorageCorrupt, TenantId
from phalanx.intel.archive._columns import Codes, Column, Origin, Piece, Times
from phalanx.intel.archive._filters import Filter, filter_of
from phalanx.intel.archive._limits import SMALL_VALUES_BYTES
from phalanx.intel.archive._values import Values

FORM = 1
_PACK_LEVEL = 1
_pack = msgspec.msgpack.Encoder().encode


class FieldEntry(msgspec.Struct, array_like=True):
    """A column in the directory. ``sources`` are the log sources whose events have it; ``values`` when they are few."""

    name: str
    n_values: int
    sources: tuple[int, ...]
    kinds: bytes
    values: bytes
    filter_at: int
    filter_bytes: int


class OriginEntry(msgspec.Struct, array_like=True):
    batch: str
    accepted_at_ns: int
    source: int
    reader: str


class Directory(msgspec.Struct, array_like=True):
    """What is in a segment, and where: blocks by name with offset and size in the file."""

    form: int
    n: int
    low_ns: int
    high_ns: int
    sources: tuple[tuple[str, str, str], ...]
    origins: tuple[OriginEntry, ...]
    fields: tuple[FieldEntry, ...]
    blocks: dict[str, tuple[int, int]]


_read_directory = msgspec.msgpack.Decoder(Directory).decode


def encoded(piece: Piece) -> tuple[Directory, Iterator[tuple[str, bytes]]]:
    """The directory, whose ``blocks`` are still to be filled in, and the blocks in order, to be sealed and written.

    The blocks are made as they are taken.
    """
    sources: dict[LogSource, int] = {}
    origins = [
        OriginEntry(one.batch, one.accepted_at_ns, sources.setdefault(one.log_source, len(sources)), one.reader)
        for one in piece.origins
    ]
    source_of = np.array([one.source for one in origins], np.uint32)[piece.origin]
    fields, filters, values = [], bytearray(), {}
    for number, (name, column) in enumerate(piece.columns.items()):
        made = Values.of(column.keys)
        few = len(made.blob) <= SMALL_VALUES_BYTES
        has = b"" if few else filter_of(made.lowered)
        held_by = tuple(np.flatnonzero(np.bincount(source_of[column.codes > 0])).tolist())
        fields.append(
            FieldEntry(name, len(made), held_by, made.kinds, made.blob if few else b"", len(filters), len(has))
        )
        filters += has
        if not few:
            values[number] = made.blob
    directory = Directory(
        FORM, len(piece), int(piece.times_ns.min()), int(piece.times_ns.max()),
        tuple((one.product, one.category, one.service) for one in sources), tuple(origins), tuple(fields), {},
    )  # fmt: skip

    def blocks() -> Iterator[tuple[str, bytes]]:
        yield "times", _packed(_shuffled((piece.times_ns - directory.low_ns).astype(np.uint64)))
        yield "places", _packed(_shuffled(piece.origin) + _shuffled(piece.rows))
        yield "filters", bytes(filters)
        for number, blob in values.items():
            yield f"v{number}", _packed(blob)
        for number, column in enumerate(piece.columns.values()):
            yield f"c{number}", _packed(_shuffled(_narrow(column)))

    return directory, blocks()


def packed_directory(directory: Directory) -> bytes:
    return _packed(_pack(directory))


def _packed(data: bytes) -> bytes:
    return zlib.compress(data, _PACK_LEVEL)


def _width(n_values: int) -> int:
    return 1 if n_values < 1 << 8 else 2 if n_values < 1 << 16 else 4


def _narrow(column: Column) -> npt.NDArray[Any]:
    return column.codes.astype(f"u{_width(len(column.keys))}")


def _shuffled(numbers: npt.NDArray[Any]) -> bytes:
    """First bytes first: what is alike stands together, and packs well."""
    return np.ascontiguousarray(numbers.view(np.uint8).reshape(len(numbers), -1).T).tobytes()


def _unshuffled(data: bytes, kind: str) -> npt.NDArray[Any]:
    width = np.dtype(kind).itemsize
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(width, -1).T).view(kind).ravel()


class Shard(ABC):
    """Events that are asked together: a segment, or a piece in memory. Blocks that are asked for must be loaded."""

    n: int
    low_ns: int
    high_ns: int
    tenant: TenantId
    origins: tuple[Origin, ...]
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

    def missing(self, blocks: Iterable[str]) -> list[str]:  # noqa: ARG002
        """Blocks that are to be loaded first."""
        return []

    def has(self, field: int, sources: set[LogSource]) -> bool:  # noqa: ARG002
        """Whether events of one of ``sources`` have the field."""
        return True

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
    def places(self) -> tuple[Codes, Codes]:
        """For each event the number of its origin, and its row."""

    def piece(self) -> Piece:
        """All of it."""
        origin, rows = self.places
        columns = {
            name: Column(self.values(at).keys(), self.codes(at).astype(np.uint32)) for name, at in self.names.items()
        }
        return Piece(self.tenant, self.times_ns, self.origins, origin, rows, columns)


class PieceShard(Shard):
    """A piece in memory."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self.n = len(piece)
        self.tenant = piece.tenant
        self.low_ns, self.high_ns = int(piece.times_ns.min()), int(piece.times_ns.max())
        self.origins = tuple(piece.origins)
        self._columns = list(piece.columns.values())
        self._values: dict[int, Values] = {}
        self._name(piece.columns)

    def values(self, field: int) -> Values:
        found = self._values.get(field)
        if found is None:
            found = self._values[field] = Values.of(self._columns[field].keys)
        return found

    def codes(self, field: int) -> npt.NDArray[Any]:
        return self._columns[field].codes

    @property
    def times_ns(self) -> Times:
        return self._piece.times_ns

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
        self._sources = tuple(LogSource(*one) for one in directory.sources)
        self.origins = tuple(
            Origin(BatchId(one.batch), one.accepted_at_ns, self._sources[one.source], one.reader)
            for one in directory.origins
        )
        self.loaded: dict[str, Any] = {}
        self._small: dict[int, Values] = {}
        self._name(field.name for field in directory.fields)

    def missing(self, blocks: Iterable[str]) -> list[str]:
        return [one for one in dict.fromkeys(blocks) if one in self.directory.blocks and one not in self.loaded]

    def take(self, block: str, data: bytes) -> int:
        """Unpack a block that was opened; what it takes in memory."""
        try:
            made, size = self._made(block, data)
        except (zlib.error, ValueError, IndexError) as error:
            raise StorageCorrupt(f"segment {self.name}", 0, f"block {block}: {error}") from error
        self.loaded[block] = made
        return size

    def _made(self, block: str, data: bytes) -> tuple[Any, int]:
        if block == "filters":
            return data, len(data)
        plain = zlib.decompress(data)
        if block == "times":
            times = _unshuffled(plain, "u8").astype(np.int64) + self.low_ns
            return times, times.nbytes
        if block == "places":
            half = len(plain) // 2
            return (_unshuffled(plain[:half], "u4"), _unshuffled(plain[half:], "u4")), len(plain)
        field = self.directory.fields[int(block[1:])]
        if block[0] == "v":
            values = Values(plain, field.kinds)
            return values, values.size
        codes = _unshuffled(plain, f"u{_width(field.n_values)}")
        return codes, codes.nbytes

    def may_hold(self, field: int, needs: list[list[int]]) -> bool:
        entry = self.directory.fields[field]
        if not needs or not entry.filter_bytes:
            return True
        asked = Filter(self.loaded["filters"][entry.filter_at : entry.filter_at + entry.filter_bytes])
        return any(asked.may_hold(group) for group in needs)

    def has(self, field: int, sources: set[LogSource]) -> bool:
        return any(self._sources[one] in sources for one in self.directory.fields[field].sources)

    def values(self, field: int) -> Values:
        entry = self.directory.fields[field]
        if not entry.values:
            made: Values = self.loaded[f"v{field}"]
            return made
        found = self._small.get(field)
        if found is None:
            found = self._small[field] = Values(entry.values, entry.kinds)
        return found

    def codes(self, field: int) -> npt.NDArray[Any]:
        codes: npt.NDArray[Any] = self.loaded[f"c{field}"]
        return codes

    @property
    def times_ns(self) -> Times:
        times: Times = self.loaded["times"]
        return times

    @property
    def places(self) -> tuple[Codes, Codes]:
        places: tuple[Codes, Codes] = self.loaded["places"]
        return places


def directory_of(packed: bytes, name: str) -> Directory:
    """Raises ``StorageCorrupt``."""
    try:
        found = _read_directory(zlib.decompress(packed))
    except (zlib.error, msgspec.DecodeError) as error:
        raise StorageCorrupt(f"segment {name}", 0, f"its directory: {error}") from error
    if found.form != FORM:
        raise StorageCorrupt(f"segment {name}", 0, f"it is of form {found.form}, and {FORM} is known")
    return found
