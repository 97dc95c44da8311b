"""Segments as sealed files, and the blocks of them that are kept in memory."""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import ParamSpec, TypeVar

import msgspec

from phalanx.core import NO_TRACE, Blobs, EntropySource, Offload, StorageCorrupt, TenantId, derive_id
from phalanx.crypto import CryptoError
from phalanx.crypto.vault import Opener, Vault, WrongKey
from phalanx.intel.archive._columns import Piece
from phalanx.intel.archive._directory import Coding, Directory, directory_of, encoded, packed_directory
from phalanx.intel.archive._limits import MAX_READ_BYTES, READ_GAP_BYTES
from phalanx.intel.archive._merging import MergedColumn
from phalanx.intel.archive._model import ARCHIVE_PURPOSE, Segment
from phalanx.intel.archive._segment import SegmentShard

P = ParamSpec("P")
T = TypeVar("T")
_DIRECTORY = "directory"


class SegmentFiles:
    """Writes and reads segments. Without a vault, or where ``seals`` is off, they are written as they are."""

    def __init__(
        self, blobs: Blobs, vault: Vault | None, entropy: EntropySource, offload: Offload, *, seals: bool,
        cache_bytes: int,
    ) -> None:  # fmt: skip
        self._blobs = blobs
        self._vault = vault
        self._entropy = entropy
        self._offload = offload
        self._seals = seals and vault is not None
        self._cache_bytes = cache_bytes
        self._shards: dict[str, SegmentShard] = {}
        self._users: dict[str, int] = {}
        # What is in memory, the longest unused first.
        self._kept: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._kept_bytes = 0

    async def write(self, pieces: Sequence[Piece], *, at_ns: int) -> Segment:
        """Write a segment of a tenant's ``pieces``, durably. Nobody knows of it before its row is committed."""
        directory, blocks = await self._offload.run(encoded, pieces)
        return await self._written(pieces[0].tenant, directory, _each(blocks), at_ns)

    async def merge(self, segments: Sequence[Segment], *, at_ns: int, since_ns: int) -> Segment:
        """Write one segment of several of a tenant, durably; nobody knows of it before its row is committed.

        One column at a time, since all of their values at once are large. Raises ``StorageCorrupt``, ``Shredded`` and
        ``NotFound``.
        """
        used: list[tuple[Segment, SegmentShard]] = []
        try:
            for one in segments:
                shard = await self.use(one)
                used.append((one, shard))
            whole = [
                await self.load(one, shard, ["times", "places", "origins"], shard.without_columns)
                for one, shard in used
            ]
            coding = await self._offload.run(Coding, whole)
            for name in dict.fromkeys(name for _, shard in used for name in shard.names):
                column = await self._merged(used, name, len(coding))
                await self._offload.run(lambda name, column: coding.add(name, *column.done()), name, column)
            directory, blocks = await self._offload.run(coding.done)
            made = await self._written(segments[0].tenant, directory, _each(blocks), at_ns)
            return msgspec.structs.replace(made, since_ns=since_ns)
        finally:
            for one, _ in used:
                self.done(one)

    async def _merged(self, used: Sequence[tuple[Segment, SegmentShard]], name: str, events: int) -> MergedColumn:
        """The column of that name over all segments; what was read of it is not kept here."""
        made, start = MergedColumn(events), 0
        for segment, shard in used:
            if (at := shard.names.get(name)) is not None:
                blocks = [f"v{at}", f"c{at}"]
                missing = shard.missing(blocks)
                await self.load(segment, shard, blocks, made.add, start, shard, at)
                # Who else looks at the segment may count on what is there.
                if self._users.get(segment.file) == 1:
                    for block in missing:
                        if (segment.file, block) in self._kept:
                            self._drop((segment.file, block))
            start += shard.n
        return made

    async def needs_resealing(self, segment: Segment) -> bool:
        """Whether some of it is sealed with another key than the current one, or is not as the settings ask for."""
        if segment.sealed != self._seals:
            return True
        opener = await self._opener(segment)
        return opener is not None and not (segment.keys and all(map(opener.is_current, segment.keys)))

    async def rewrite(self, segment: Segment, *, at_ns: int) -> Segment:
        """The same segment in another file, sealed anew, block by block; nobody knows of it before its row is
        committed. Raises ``StorageCorrupt``, ``Shredded`` and ``NotFound``.
        """
        shard = await self.use(segment)
        try:
            directory = msgspec.structs.replace(shard.directory, blocks={})
            made = await self._written(segment.tenant, directory, self._plain(segment, shard), at_ns)
            return msgspec.structs.replace(made, since_ns=segment.since_ns)
        finally:
            self.done(segment)

    async def _plain(self, segment: Segment, shard: SegmentShard) -> AsyncIterator[tuple[str, bytes]]:
        """The blocks of a segment in the order in which they lie in its file, opened."""
        opener = await self._opener(segment)
        for block in sorted(shard.directory.blocks, key=lambda block: shard.directory.blocks[block]):
            [(_, data)] = await self._read(segment, shard, [block])
            yield block, data if opener is None else await self._offload.run(_opened, opener, segment, block, data)

    async def _written(
        self, tenant: TenantId, directory: Directory, blocks: AsyncIterator[tuple[str, bytes]], at_ns: int
    ) -> Segment:
        """Write a file of blocks and their directory, in which it is noted where they are."""
        file = f"{prefix_of(tenant)}-{self._entropy.token(12).hex()}"
        told: list[int] = []
        keys: dict[str, None] = {}
        size = await self._blobs.write(file, self._sealed_blocks(tenant, file, directory, blocks, told, keys))
        return Segment(
            id=derive_id(at_ns, "segment", file), tenant=tenant, trace=NO_TRACE, at_ns=at_ns, file=file,
            events=directory.n, low_ns=directory.low_ns, high_ns=directory.high_ns, size_bytes=size,
            directory_at=told[0], directory_bytes=size - told[0], sealed=self._seals, keys=tuple(keys),
        )  # fmt: skip

    async def _sealed_blocks(
        self, tenant: TenantId, file: str, directory: Directory, blocks: AsyncIterator[tuple[str, bytes]],
        told: list[int], keys: dict[str, None],
    ) -> AsyncIterator[bytes]:  # fmt: skip
        at = 0
        async for name, data in blocks:
            sealed = await self._sealed(tenant, file, name, data, keys)
            directory.blocks[name] = (at, len(sealed))
            at += len(sealed)
            yield sealed
        told.append(at)
        yield await self._sealed(tenant, file, _DIRECTORY, packed_directory(directory), keys)

    async def _sealed(self, tenant: TenantId, file: str, block: str, data: bytes, keys: dict[str, None]) -> bytes:
        if not self._seals or self._vault is None:
            return data
        # Asked for each time: the key may have come to its bound, or been rotated.
        sealer = await self._vault.sealer(tenant, ARCHIVE_PURPOSE)
        keys[sealer.current_key] = None
        return sealer.seal(data, _binding(file, block))

    async def remove(self, segment: Segment) -> None:
        self.forget(segment.file)
        await self._blobs.remove(segment.file)

    async def names(self) -> list[str]:
        return await self._blobs.names()

    async def remove_file(self, file: str) -> None:
        self.forget(file)
        await self._blobs.remove(file)

    def forget(self, file: str) -> None:
        """Keep nothing of it in memory."""
        self._shards.pop(file, None)
        for key in [key for key in self._kept if key[0] == file]:
            self._kept_bytes -= self._kept.pop(key)

    async def use(self, segment: Segment) -> SegmentShard:
        """The segment with its directory read; ``done`` with it afterwards. Raises ``Shredded`` and ``NotFound``."""
        file = segment.file
        self._users[file] = self._users.get(file, 0) + 1
        try:
            shard = self._shards.get(file)
            if shard is None:
                data = await self._blobs.read(file, segment.directory_at, segment.directory_bytes)
                opener = await self._opener(segment)
                shard = await self._offload.run(_shard, segment, opener, data)
                shard = self._shards.setdefault(file, shard)
                self._keep(file, _DIRECTORY, 4 * segment.directory_bytes)
        except BaseException:
            self.done(segment)
            raise
        return shard

    def done(self, segment: Segment) -> None:
        """Nobody in this use looks at the segment's blocks any more."""
        file = segment.file
        self._users[file] -= 1
        if not self._users[file]:
            del self._users[file]
        for key in list(self._kept):
            if self._kept_bytes <= self._cache_bytes:
                return
            if key in self._kept and key[0] not in self._users:
                self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._kept_bytes -= self._kept.pop(key)
        file, block = key
        shard = self._shards.get(file)
        if shard is None:
            return
        if block == _DIRECTORY:
            self.forget(file)
        else:
            shard.loaded.pop(block, None)

    def _keep(self, file: str, block: str, size: int) -> None:
        self._kept_bytes += size - self._kept.pop((file, block), 0)
        self._kept[file, block] = size

    async def load(
        self, segment: Segment, shard: SegmentShard, blocks: Iterable[str], work: Callable[P, T], /,
        *args: P.args, **kwargs: P.kwargs,
    ) -> T:  # fmt: skip
        """Load what is missing of ``blocks``, then do ``work``, both off the event loop."""
        wanted = list(blocks)
        missing = shard.missing(wanted)
        for block in wanted:
            if (segment.file, block) in self._kept:
                self._kept.move_to_end((segment.file, block))
        sealed = await self._read(segment, shard, missing)
        opener = await self._opener(segment) if missing else None

        def both() -> tuple[list[tuple[str, int]], T]:
            taken = []
            for block, data in sealed:
                packed = data if opener is None else _opened(opener, segment, block, data)
                taken.append((block, shard.take(block, packed)))
            return taken, work(*args, **kwargs)

        taken, result = await self._offload.run(both)
        if self._shards.get(segment.file) is shard:
            for block, size in taken:
                self._keep(segment.file, block, size)
        return result

    async def _opener(self, segment: Segment) -> Opener | None:
        if not segment.sealed:
            return None
        if self._vault is None:
            raise WrongKey("a sealed segment", "there is no vault here")
        return await self._vault.opener(segment.tenant, ARCHIVE_PURPOSE)

    async def _read(self, segment: Segment, shard: SegmentShard, blocks: Sequence[str]) -> list[tuple[str, bytes]]:
        """Blocks as they are in the file; those that lie close are read at once."""
        where = sorted((*shard.directory.blocks[block], block) for block in blocks)
        found: list[tuple[str, bytes]] = []
        run: list[tuple[int, int, str]] = []

        async def flush() -> None:
            if run:
                begin, end = run[0][0], run[-1][0] + run[-1][1]
                data = await self._blobs.read(segment.file, begin, end - begin)
                if len(data) < end - begin:
                    raise StorageCorrupt(f"segment {segment.file}", begin, "it ends too early")
                found.extend((block, data[at - begin : at - begin + size]) for at, size, block in run)
                run.clear()

        for one in where:
            if run and (
                one[0] > run[-1][0] + run[-1][1] + READ_GAP_BYTES or one[0] + one[1] - run[0][0] > MAX_READ_BYTES
            ):
                await flush()
            run.append(one)
        await flush()
        return found


async def _each(blocks: Iterable[tuple[str, bytes]]) -> AsyncIterator[tuple[str, bytes]]:
    for block in blocks:
        yield block


def prefix_of(tenant: TenantId) -> str:
    """How the files of a tenant are called, which does not tell who it is."""
    return hashlib.sha256(f"archive\x1f{tenant}".encode()).hexdigest()[:32]


def _shard(segment: Segment, opener: Opener | None, data: bytes) -> SegmentShard:
    if opener is not None:
        data = _opened(opener, segment, _DIRECTORY, data)
    return SegmentShard(segment.file, segment.tenant, directory_of(data, segment.file))


def _opened(opener: Opener, segment: Segment, block: str, data: bytes) -> bytes:
    try:
        return opener.open(data, _binding(segment.file, block))
    except CryptoError as error:
        if error.code == "shredded":
            raise
        raise StorageCorrupt(f"segment {segment.file}", 0, f"block {block}: {error.message}") from error


def _binding(file: str, block: str) -> bytes:
    """What a sealed block holds to: its file and its place in it."""
    return f"{file}\x1f{block}".encode()
