"""Keeping artefacts: their files, and a row for each that says what it is.

Invariants:

- a row names a file that is complete and durable; a file that no row names is removed, at the
  latest when the node starts again. So a crash leaves an artefact whole or not there;
- what is sealed anew becomes another file; the row is turned to it in one commit, and the one
  before goes when nobody reads it any more;
- keeping and removing are in the ledger before they take effect;
- of a shredded tenant nothing can be read from that moment on, and its files are erased after.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass

import msgspec

from phalanx.core import (
    MAX_PAGE_ROWS,
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Blobs,
    Clock,
    Conflict,
    Delete,
    EntropySource,
    Expect,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Row,
    Store,
    TenantId,
    decode,
    derive_id,
)
from phalanx.crypto._errors import CryptoError
from phalanx.crypto.artefacts._files import SealedFiles, Written
from phalanx.crypto.artefacts._limits import (
    MAX_ARTEFACTS,
    MAX_CASE_CHARS,
    MAX_MEDIA_TYPE_CHARS,
    MAX_NAME_CHARS,
    MAX_NOTICED,
    MAX_USE_CHARS,
    MAX_WRITES,
    TEND_EVERY_S,
)
from phalanx.crypto.artefacts._record import ARTEFACTS, PURPOSE, Artefact, ArtefactBounds, artefact_put, prefix_of
from phalanx.crypto.vault import Shredded, Vault
from phalanx.telemetry import Telemetry


@dataclass(slots=True)
class Usage:
    """What a tenant keeps."""

    artefacts: int = 0
    bytes: int = 0


class Artefacts:
    """Artefacts of every tenant. ``run`` looks after them for as long as the node runs."""

    def __init__(
        self,
        blobs: Blobs,
        store: Store,
        vault: Vault,
        audit: AuditSink,
        *,
        clock: Clock,
        entropy: EntropySource,
        telemetry: Telemetry,
        bounds: ArtefactBounds | None = None,
    ) -> None:
        """``store`` is the sealed one: what an artefact is called is its tenant's alone."""
        self._files = SealedFiles(blobs, vault, entropy)
        self._store = store
        self._vault = vault
        self._audit = audit
        self._clock = clock
        self._log = telemetry.log.bind(room="crypto")
        self.bounds = bounds or ArtefactBounds()
        self._usage: dict[TenantId, Usage] = {}
        self._writes = asyncio.Semaphore(MAX_WRITES)
        self._noticed: dict[tuple[TenantId, str], None] = {}

    async def put(
        self,
        tenant: TenantId,
        content: AsyncIterable[bytes] | bytes,
        *,
        name: str,
        actor: str,
        media_type: str = "application/octet-stream",
        use: str = "upload",
        case: str = "",
    ) -> Artefact:
        """Keep ``content``. What is kept already under whatever name is kept once, as it was.

        Raises ``LimitExceeded``, ``StorageFull`` and ``Shredded``; then nothing of it is left.
        """
        for field, text, most in (
            ("name", name, MAX_NAME_CHARS), ("media_type", media_type, MAX_MEDIA_TYPE_CHARS),
            ("use", use, MAX_USE_CHARS), ("case", case or "-", MAX_CASE_CHARS),
        ):  # fmt: skip
            if not 0 < len(text) <= most or not text.isprintable():
                raise InvalidInput(field, f"has 1 to {most} printable characters")
        usage = await self.usage(tenant)
        async with self._writes:
            pieces = _once(content) if isinstance(content, bytes) else content
            written = await self._files.write(tenant, pieces, lambda size: self._allow(usage, size))
            artefact_id = await self._named(tenant, written)
            record = Artefact(
                id=artefact_id, tenant=tenant, trace=NO_TRACE, at_ns=self._clock.wall_ns(), name=name,
                media_type=media_type, use=use, case=case, size=written.size, sha256=written.sha256,
                kept_by=actor, file=written.file, keys=tuple(written.keys),
            )  # fmt: skip
            return await self._keep(record, usage)

    async def get(self, tenant: TenantId, artefact_id: str) -> Artefact:
        """Raises ``NotFound``."""
        return decode((await self._row(tenant, artefact_id)).value, Artefact)

    async def page(
        self, tenant: TenantId, *, case: str = "", use: str = "", after: str = "", limit: int = MAX_PAGE_ROWS
    ) -> list[Artefact]:
        """In order of their ids, past the id ``after``; of one case, or of one use, where it is given."""
        if case and use:
            raise InvalidInput("use", "cannot be combined with a case")
        if case or use:
            index, value = ("case", case) if case else ("use", use)
            rows = await self._store.find(ARTEFACTS, tenant, index, value, after=after, limit=limit)
        else:
            rows = await self._store.scan(ARTEFACTS, tenant, after=after, limit=limit)
        return [decode(row.value, Artefact) for row in rows]

    async def stream(self, artefact: Artefact) -> AsyncGenerator[bytes, None]:
        """Its content in pieces; see ``SealedFiles.read`` for what is raised on the way."""
        opener = await self._vault.opener(artefact.tenant, PURPOSE)
        if not all(map(opener.is_current, artefact.keys)) and len(self._noticed) < MAX_NOTICED:
            self._noticed[artefact.tenant, artefact.id] = None
        async with contextlib.aclosing(self._files.read(artefact)) as pieces:
            async for piece in pieces:
                yield piece

    async def remove(self, tenant: TenantId, artefact_id: str, *, actor: str) -> Artefact:
        """Remove one for good; what it was. Raises ``NotFound``."""
        row = await self._row(tenant, artefact_id)
        record = decode(row.value, Artefact)
        usage = await self.usage(tenant)
        await self._tell(record, "artefact-removed", actor)
        await self._store.commit(
            [Delete(ARTEFACTS, tenant, artefact_id)], expect=[Expect(ARTEFACTS, tenant, artefact_id, row.version)]
        )
        await self._files.drop(record.file)
        usage.artefacts -= 1
        usage.bytes -= record.size
        return record

    async def usage(self, tenant: TenantId) -> Usage:
        """What a tenant keeps; counted once, and kept up."""
        if (found := self._usage.get(tenant)) is None:
            counted = Usage()
            async for _, record in self._rows(tenant):
                counted.artefacts += 1
                counted.bytes += record.size
            found = self._usage.setdefault(tenant, counted)
        return found

    async def run(self) -> None:
        """Remove what nobody names, then seal anew what was read in an old form, until cancelled."""
        await self.erase_shredded()
        await self.sweep()
        while True:
            await self._clock.sleep(TEND_EVERY_S)
            while self._noticed:
                tenant, artefact_id = next(iter(self._noticed))
                self._noticed.pop((tenant, artefact_id))
                with contextlib.suppress(Shredded, NotFound):
                    await self._reseal(await self._row(tenant, artefact_id))

    async def sweep(self) -> int:
        """Remove files that no row names: what a crash left; how many there were."""
        files = await self._files.names()
        named = set(self._files.writing)
        for tenant in await self._store.tenants(ARTEFACTS):
            with contextlib.suppress(Shredded):
                named |= {record.file async for _, record in self._rows(tenant)}
        left = [file for file in files if file not in named and file not in self._files.writing]
        for file in left:
            await self._files.drop(file)
        if left:
            self._log.info("artefact files that a crash left were removed", files=len(left))
        return len(left)

    async def erase_shredded(self) -> int:
        """Erase the files of tenants that were shredded: nobody can read them; how many there were."""
        prefixes = {prefix_of(tenant) for tenant in self._vault.shredded_tenants}
        for tenant in self._vault.shredded_tenants:
            self._usage.pop(tenant, None)
        gone = [file for file in await self._files.names() if file.partition("-")[0] in prefixes]
        for file in gone:
            await self._files.drop(file)
        return len(gone)

    async def count(self) -> int:
        """How many there are, over all tenants."""
        return sum([(await self.usage(tenant)).artefacts for tenant in await self._store.tenants(ARTEFACTS)])

    async def reseal(self) -> AsyncGenerator[bool, None]:
        """Seal anew, one after the other, what is under another key than the current one; whether each was."""
        for tenant in await self._store.tenants(ARTEFACTS):
            with contextlib.suppress(Shredded):
                async for row, _ in self._rows(tenant):
                    yield await self._reseal(row)

    async def _keep(self, record: Artefact, usage: Usage) -> Artefact:
        """Have a row name the new file, unless one names the same content already: then the file goes."""
        named = False
        try:
            known = await self._store.get(ARTEFACTS, record.tenant, record.id)
            if known is not None:
                return decode(known.value, Artefact)
            await self._tell(record, "artefact-kept", record.kept_by)
            await self._store.commit([artefact_put(record)], expect=[Expect(ARTEFACTS, record.tenant, record.id, 0)])
            named = True
        except Conflict:
            return await self.get(record.tenant, record.id)
        finally:
            if named:
                self._files.writing.discard(record.file)
            else:
                await self._files.drop(record.file)
        usage.artefacts += 1
        usage.bytes += record.size
        return record

    async def _reseal(self, row: Row) -> bool:
        record = decode(row.value, Artefact)
        opener = await self._vault.opener(record.tenant, PURPOSE)
        if all(map(opener.is_current, record.keys)):
            return False
        try:
            async with self._writes:
                written = await self._files.write(record.tenant, self._files.read(record), _anything)
        except Shredded:
            raise
        except CryptoError as error:
            # Whoever reads it is told; the others are not held up by it.
            self._log.warning("an artefact cannot be sealed anew", artefact=record.id, reason=error.message)
            return False
        moved = msgspec.structs.replace(record, file=written.file, keys=tuple(written.keys))
        try:
            await self._store.commit(
                [artefact_put(moved)], expect=[Expect(ARTEFACTS, record.tenant, record.id, row.version)]
            )
        except BaseException as error:
            await self._files.drop(written.file)
            if isinstance(error, Conflict):
                return False  # removed or sealed anew meanwhile
            raise
        self._files.writing.discard(written.file)
        await self._files.drop(record.file)
        return True

    async def _row(self, tenant: TenantId, artefact_id: str) -> Row:
        row = await self._store.get(ARTEFACTS, tenant, artefact_id)
        if row is None:
            raise NotFound("artefact", artefact_id, hint="`phalanx artefacts list` shows those there are")
        return row

    async def _rows(self, tenant: TenantId) -> AsyncIterator[tuple[Row, Artefact]]:
        after = ""
        while rows := await self._store.scan(ARTEFACTS, tenant, after=after):
            for row in rows:
                yield row, decode(row.value, Artefact)
            after = rows[-1].key

    async def _named(self, tenant: TenantId, written: Written) -> str:
        """The id that follows from the content, for this tenant alone."""
        try:
            blinder = await self._vault.blinder(tenant)
        except BaseException:
            await self._files.drop(written.file)
            raise
        return blinder.digest(b"phalanx artefact v1\x00" + written.digest.digest())

    def _allow(self, usage: Usage, size: int) -> None:
        bounds = self.bounds
        for limit, maximum, seen in (
            ("bytes of an artefact", bounds.artefact_bytes, size),
            ("bytes of a tenant's artefacts", bounds.tenant_bytes, usage.bytes + size),
            ("artefacts of a tenant", MAX_ARTEFACTS, usage.artefacts + 1),
        ):
            if seen > maximum:
                raise LimitExceeded(limit, maximum=maximum, seen=seen, hint="remove what is no longer needed")

    async def _tell(self, record: Artefact, action: str, actor: str) -> None:
        at_ns = self._clock.wall_ns()
        await self._audit.record(
            AuditEntry(
                id=derive_id(at_ns, action, record.tenant, record.id, record.file), tenant=record.tenant,
                trace=NO_TRACE, at_ns=at_ns, actor=actor, action=action, subject=record.id, case=record.case,
                body={"name": record.name, "use": record.use, "size": record.size, "sha256": record.sha256},
            )
        )  # fmt: skip


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _anything(size: int) -> None:
    """What was kept may be kept."""
