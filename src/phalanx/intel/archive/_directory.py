"""What a segment is in bytes: blocks that are read one by one, and the directory that says what and where they are.

First the blocks, each packed and then sealed, and last the directory, which says where they are; a row of the store
says where the directory is. Blocks are ``times`` and ``places`` of the events, ``origins`` that places count, and for
the column ``i`` its values ``v<i>``, unless they are few and lie in the directory, the filter ``f<i>`` of their words,
and its codes ``c<i>``. What most questions need of every segment is in the directory, and it is small.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from phalanx.core import LogSource, StorageCorrupt
from phalanx.intel.archive._columns import Codes, Piece, Times, joined, joined_columns
from phalanx.intel.archive._filters import filter_of
from phalanx.intel.archive._limits import SMALL_VALUES_BYTES
from phalanx.intel.archive._values import Values

FORM = 2
_PACK_LEVEL = 1
_pack = msgspec.msgpack.Encoder().encode


class Kind(NamedTuple):
    """What origins share: few in a segment, while there is an origin for each batch."""

    log_source: LogSource
    reader: str


class FieldEntry(msgspec.Struct, array_like=True):
    """A column in the directory. ``kinds`` are those whose events have it; ``values`` when they are few.

    ``types`` says of which type each value was, see ``Values``.
    """

    name: str
    n_values: int
    kinds: tuple[int, ...]
    types: bytes
    values: bytes


class OriginEntry(msgspec.Struct, array_like=True):
    batch: str
    accepted_at_ns: int
    kind: int


class Directory(msgspec.Struct, array_like=True):
    """What is in a segment, and where: blocks by name with offset and size in the file.

    Times are counted in ticks of ``tick_ns`` from ``low_ns`` on.
    """

    form: int
    n: int
    low_ns: int
    high_ns: int
    tick_ns: int
    kinds: tuple[tuple[str, str, str, str], ...]
    fields: tuple[FieldEntry, ...]
    blocks: dict[str, tuple[int, int]]


_read_directory = msgspec.msgpack.Decoder(Directory).decode
_read_origins = msgspec.msgpack.Decoder(tuple[OriginEntry, ...]).decode

# What packed or unpacked a block and waits for the next: as many as threads did at once.
_idle_packers: list[zstandard.ZstdCompressor] = []
_idle_unpackers: list[zstandard.ZstdDecompressor] = []
PACK_ERRORS = (zstandard.ZstdError, msgspec.DecodeError, ValueError, IndexError)


def encoded(pieces: Sequence[Piece]) -> tuple[Directory, Iterator[tuple[str, bytes]]]:
    """The pieces as blocks, in the order in which they are to be written; their places are noted when they are sealed
    and written.
    """
    coding = Coding(pieces)
    for name, column in joined_columns(pieces):
        coding.add(name, Values.of(column.keys), column.codes)
    return coding.done()


class Coding:
    """Pieces on their way into blocks, column by column: what was added is packed."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Of ``pieces`` all but the columns is taken."""
        self._whole = whole = joined(pieces)
        self._kinds: dict[Kind, int] = {}
        self._origins = [
            OriginEntry(one.batch, one.accepted_at_ns, self._number(Kind(one.log_source, one.reader)))
            for one in whole.origins
        ]
        self._kind_of = np.array([one.kind for one in self._origins], np.uint32).take(whole.origin)
        self._fields: list[FieldEntry] = []
        self._filters: list[tuple[str, bytes]] = []
        self._blobs: list[tuple[str, bytes]] = []
        self._codes: list[tuple[str, bytes]] = []

    def _number(self, kind: Kind) -> int:
        return self._kinds.setdefault(kind, len(self._kinds))

    def __len__(self) -> int:
        return len(self._whole)

    def add(self, name: str, made: Values, codes: Codes) -> None:
        """Take the column of a name that was not added before."""
        number = len(self._fields)
        few = len(made.blob) <= SMALL_VALUES_BYTES
        held_by = tuple(np.flatnonzero(np.bincount(self._kind_of[codes > 0])).tolist())
        self._fields.append(FieldEntry(name, len(made), held_by, made.kinds, made.blob if few else b""))
        if not few:
            # Filters are bits at random, and no packing makes them less.
            self._filters.append((f"f{number}", filter_of(made.lowered)))
            self._blobs.append((f"v{number}", packed(made.blob)))
        self._codes.append((f"c{number}", packed(_shuffled(codes))))

    def done(self) -> tuple[Directory, Iterator[tuple[str, bytes]]]:
        """The directory, and the blocks in the order in which they are to be written."""
        whole = self._whole
        low_ns = int(whole.times_ns.min())
        since, tick_ns = _ticks(whole.times_ns - low_ns)
        kinds = [
            (one.log_source.product, one.log_source.category, one.log_source.service, one.reader) for one in self._kinds
        ]
        directory = Directory(
            FORM, len(whole), low_ns, int(whole.times_ns.max()), tick_ns, tuple(kinds), tuple(self._fields), {}
        )
        places = _shuffled(whole.origin.astype(np.uint32)) + _shuffled(whole.rows.astype(np.uint32))
        first = [
            ("times", packed(_shuffled(since))),
            ("places", packed(places)),
            ("origins", packed(_pack(self._origins))),
        ]
        return directory, iter([*first, *self._filters, *self._blobs, *self._codes])


def _ticks(since_ns: Times) -> tuple[npt.NDArray[Any], int]:
    """Times in the largest unit that all are whole in, in as few bytes as hold them."""
    tick_ns = int(np.gcd.reduce(since_ns)) or 1
    ticks = since_ns // tick_ns
    return ticks.astype(np.uint32 if int(ticks.max()) < 1 << 32 else np.uint64), tick_ns


def times_of(directory: Directory, plain: bytes) -> Times:
    ticks = unshuffled(plain, f"u{len(plain) // directory.n}").astype(np.int64)
    ticks *= directory.tick_ns
    ticks += directory.low_ns
    return ticks


def origins_of(plain: bytes) -> tuple[OriginEntry, ...]:
    return _read_origins(plain)


def packed_directory(directory: Directory) -> bytes:
    return packed(_pack(directory))


def directory_of(data: bytes, name: str) -> Directory:
    """Raises ``StorageCorrupt``."""
    try:
        found = _read_directory(unpacked(data))
    except PACK_ERRORS as error:
        raise StorageCorrupt(f"segment {name}", 0, f"its directory: {error}") from error
    if found.form != FORM:
        raise StorageCorrupt(f"segment {name}", 0, f"it is of form {found.form}, and {FORM} is known")
    return found


def packed(data: bytes) -> bytes:
    """With a checksum, so that a bit that turned on a disk is noticed also where nothing is sealed."""
    try:
        packer = _idle_packers.pop()
    except IndexError:
        packer = zstandard.ZstdCompressor(_PACK_LEVEL, write_checksum=True)
    try:
        return packer.compress(data)
    finally:
        _idle_packers.append(packer)


def unpacked(data: bytes) -> bytes:
    """Raises one of ``PACK_ERRORS``."""
    # Making what unpacks costs a quarter of the time of a small block; one unpacks one block at a time.
    try:
        unpacker = _idle_unpackers.pop()
    except IndexError:
        unpacker = zstandard.ZstdDecompressor()
    try:
        return unpacker.decompress(data)
    finally:
        _idle_unpackers.append(unpacker)


def _shuffled(numbers: npt.NDArray[Any]) -> bytes:
    """First bytes first: what is alike stands together, and packs well."""
    return np.ascontiguousarray(numbers.view(np.uint8).reshape(len(numbers), -1).T).tobytes()


def unshuffled(data: bytes, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    width = np.dtype(kind).itemsize
    lines = np.frombuffer(data, np.uint8).reshape(width, -1)
    numbers: npt.NDArray[Any] = lines[0].astype(kind, copy=False)
    for place in range(1, width):
        # Whole lines at a time: four times as fast as turning the table. Small numbers have none of the high ones.
        if lines[place].any():
            numbers |= lines[place].astype(kind) << (8 * place)
    return numbers
