"""The sealed files of artefacts: writing one from a stream, reading one as a stream.

A file gets a name of its own each time it is written, and is never changed. Removing one that
somebody reads waits for the reader.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass, field

from phalanx.core import Blobs, EntropySource, LimitExceeded, NotFound, TenantId
from phalanx.crypto import NotAuthentic
from phalanx.crypto.artefacts._errors import DamagedArtefact
from phalanx.crypto.artefacts._form import (
    HEAD,
    LENGTH_BYTES,
    MAX_FRAME_BYTES,
    chunks_of,
    opened_chunk,
    sealed_frame,
)
from phalanx.crypto.artefacts._limits import CHUNK_BYTES, MAX_KEYS
from phalanx.crypto.artefacts._record import PURPOSE, Artefact, prefix_of
from phalanx.crypto.vault import NotSealed, Vault


@dataclass(slots=True)
class Written:
    """A file that is complete once its writing has returned."""

    file: str
    size: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    keys: dict[str, None] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return self.digest.hexdigest()


class SealedFiles:
    """Files of every tenant. ``writing`` are those that no row names yet."""

    def __init__(self, blobs: Blobs, vault: Vault, entropy: EntropySource) -> None:
        self._blobs = blobs
        self._vault = vault
        self._entropy = entropy
        self._reading: Counter[str] = Counter()
        self._doomed: set[str] = set()
        self.writing: set[str] = set()

    async def write(self, tenant: TenantId, content: AsyncIterable[bytes], allow: Callable[[int], None]) -> Written:
        """Seal ``content`` into a new file; ``allow`` is asked with its size as it grows, and raises when it must not.

        The caller has a row name the file, or drops it, and takes it out of ``writing`` then.
        """
        made = Written(f"{prefix_of(tenant)}-{self._entropy.token(16).hex()}")
        self.writing.add(made.file)
        try:
            await self._blobs.write(made.file, self._frames(tenant, content, made, allow))
        except BaseException:
            self.writing.discard(made.file)
            raise
        return made

    async def read(self, artefact: Artefact) -> AsyncGenerator[bytes, None]:
        """The content, chunk by chunk.

        Raises ``DamagedArtefact``, ``WrongKey`` and ``Shredded``: then nothing that it gave out
        before was changed, and it was not all.
        """
        opener = await self._vault.opener(artefact.tenant, PURPOSE)
        n_chunks = chunks_of(artefact.size)
        self._reading[artefact.file] += 1
        try:
            if await self._at(artefact, 0, 0, len(HEAD)) != HEAD:
                raise DamagedArtefact(artefact.id, 0, "it does not begin as an artefact's file does")
            offset = len(HEAD)
            for position in range(n_chunks):
                last = position == n_chunks - 1
                found = await self._at(artefact, position, offset, LENGTH_BYTES + MAX_FRAME_BYTES)
                end = LENGTH_BYTES + int.from_bytes(found[:LENGTH_BYTES])
                if not LENGTH_BYTES < end <= len(found):
                    raise DamagedArtefact(artefact.id, position, "its file ends too early, or a length was changed")
                if last and len(found) > end:
                    raise DamagedArtefact(artefact.id, position, "its file goes on behind its end")
                try:
                    chunk = opened_chunk(opener, artefact.file, position, found[LENGTH_BYTES:end], last=last)
                except (NotAuthentic, NotSealed) as error:
                    raise DamagedArtefact(artefact.id, position, "it is not what was written there") from error
                yield chunk
                offset += end
        finally:
            await self._done_reading(artefact.file)

    async def drop(self, file: str) -> None:
        """Remove a file that no row names any more, now or when the last reader is through."""
        self.writing.discard(file)
        if self._reading[file]:
            self._doomed.add(file)
        else:
            del self._reading[file]
            await self._blobs.remove(file)

    async def names(self) -> list[str]:
        return await self._blobs.names()

    async def _done_reading(self, file: str) -> None:
        self._reading[file] -= 1
        if not self._reading[file]:
            del self._reading[file]
            if file in self._doomed:
                self._doomed.discard(file)
                await self._blobs.remove(file)

    async def _at(self, artefact: Artefact, position: int, offset: int, n: int) -> bytes:
        try:
            return await self._blobs.read(artefact.file, offset, n)
        except NotFound as error:
            raise DamagedArtefact(artefact.id, position, "its file is gone") from error

    async def _frames(
        self, tenant: TenantId, content: AsyncIterable[bytes], made: Written, allow: Callable[[int], None]
    ) -> AsyncIterator[bytes]:
        yield HEAD
        position, rest = 0, bytearray()
        async for piece in content:
            made.size += len(piece)
            made.digest.update(piece)
            allow(made.size)
            rest += piece
            # One byte more than a chunk has to be there: the last chunk says that it is.
            while len(rest) > CHUNK_BYTES:
                yield await self._frame(tenant, made, position, bytes(rest[:CHUNK_BYTES]), last=False)
                del rest[:CHUNK_BYTES]
                position += 1
        yield await self._frame(tenant, made, position, bytes(rest), last=True)

    async def _frame(self, tenant: TenantId, made: Written, position: int, chunk: bytes, *, last: bool) -> bytes:
        # Asked for each time: the key may have come to its bound, or been rotated.
        sealer = await self._vault.sealer(tenant, PURPOSE)
        made.keys[sealer.current_key] = None
        if len(made.keys) > MAX_KEYS:
            raise LimitExceeded("keys of one artefact", maximum=MAX_KEYS, seen=len(made.keys))
        return sealed_frame(sealer, made.file, position, chunk, last=last)
