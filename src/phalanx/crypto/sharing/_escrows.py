"""The registrar of escrows: keeps the documents, records every step in the ledger, and holds no share.

A node is one. What it stores cannot be opened without a quorum of custodians, so that keeping
it is no risk. Each step is in the ledger before its effect: before a ceremony gets the
registrar's word, before a release is handed on, and before the outcome closes the ceremony.
Work repeated after a crash finds its own entries (ids are derived from what they record).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phalanx.core import (
    AuditEntry,
    AuditSink,
    Clock,
    Expect,
    InvalidInput,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    decode,
    derive_id,
    encode,
)
from phalanx.crypto import CryptoPolicy, HybridSigner
from phalanx.crypto.sharing._ceremony import Ceremony, Release, registered
from phalanx.crypto.sharing._errors import CeremonyClosed, NotEnoughShares, ReleaseRefused
from phalanx.crypto.sharing._escrow import ESCROW_ALGORITHMS, Escrow

ESCROWS = Table("escrows")
CEREMONIES = Table("escrow_ceremonies", indexes=("escrow",))
RELEASES = Table("escrow_releases", indexes=("ceremony",))

# Who works at a registrar that is opened on the spot.
_OPERATOR = "local operator"


class _Standing(Record, frozen=True, kw_only=True, tag="escrow-standing"):
    """A ceremony as the registrar keeps it. ``outcome`` is empty while it is open."""

    ceremony: Ceremony
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class CeremonyStatus:
    """How far a ceremony is."""

    ceremony: Ceremony
    released: tuple[str, ...]
    needed: int
    state: str


class Escrows:
    """Keeps and records. ``signer`` is the node's own key, which escrows name as their registrar."""

    def __init__(
        self,
        store: Store,
        audit: AuditSink,
        clock: Clock,
        signer: HybridSigner,
        *,
        policy: CryptoPolicy | None = None,
    ) -> None:
        """``policy`` is asked for new escrows; those that are there can be opened whatever it says."""
        self._policy = policy or CryptoPolicy()
        self._store = store
        self._audit = audit
        self._clock = clock
        self._signer = signer

    async def add(self, escrow: Escrow) -> None:
        """Keep a new escrow. Raises ``AlgorithmForbidden`` when it rests on what the policy forbids."""
        escrow.verify()
        if escrow.registrar != self._signer.public.to_bytes():
            raise InvalidInput("escrow", "it names another node as its registrar")
        stored = await self._store.get(ESCROWS, escrow.tenant, escrow.id)
        if stored is not None and stored.value != encode(escrow):
            raise InvalidInput("escrow", f"there is another one of id {escrow.id}")
        custodians = [{"name": card.name, "fingerprint": card.fingerprint} for card in escrow.custodians]
        if stored is None:
            for name in ESCROW_ALGORITHMS:
                self._policy.require(name)
        await self._record(
            escrow, escrow.made_by.name, "escrow-made", escrow.id,
            {"label": escrow.label, "threshold": escrow.threshold, "custodians": custodians, "digest": escrow.digest()},
        )  # fmt: skip
        if stored is None:
            put = Put(ESCROWS, escrow.tenant, escrow.id, encode(escrow))
            await self._store.commit([put], expect=[Expect(ESCROWS, escrow.tenant, escrow.id, 0)])

    async def get(self, tenant: TenantId, escrow_id: str) -> Escrow:
        row = await self._store.get(ESCROWS, tenant, escrow_id)
        if row is None:
            raise NotFound("escrow", escrow_id, hint="see `phalanx keys escrow status`")
        return decode(row.value, Escrow)

    async def kept(self, tenant: TenantId) -> list[Escrow]:
        """Every escrow of a tenant, oldest first."""
        return [decode(row.value, Escrow) for row in await self._store.scan(ESCROWS, tenant)]

    async def begin(self, ceremony: Ceremony) -> Ceremony:
        """Record a ceremony and return it with this registrar's word for that."""
        escrow = await self.get(ceremony.tenant, ceremony.escrow)
        ceremony.verify(escrow)
        ceremony.require_open(self._clock.wall_ns())
        known = await self._store.get(CEREMONIES, ceremony.tenant, ceremony.id)
        if known is not None:
            standing = decode(known.value, _Standing)
            if standing.ceremony.digest() != ceremony.digest():
                raise InvalidInput("ceremony", f"there is another one of id {ceremony.id}")
            return standing.ceremony
        opener = ceremony.opener
        await self._record(
            ceremony, opener.name, "escrow-ceremony-begun", escrow.id,
            {"purpose": ceremony.purpose, "opener": opener.fingerprint, "expires_at_ns": ceremony.expires_at_ns,
             "digest": ceremony.digest()},
        )  # fmt: skip
        signed = registered(ceremony, self._signer)
        await self._store.commit([self._standing(signed, "")], expect=[Expect(CEREMONIES, signed.tenant, signed.id, 0)])
        return signed

    async def submit(self, release: Release) -> None:
        """Take a custodian's release in; the same one again changes nothing.

        Raises ``ReleaseRefused`` and ``CeremonyClosed``.
        """
        ceremony = await self._open_ceremony(release.tenant, release.ceremony)
        escrow = await self.get(ceremony.tenant, ceremony.escrow)
        card = release.verify(escrow, ceremony)
        known = await self._store.get(RELEASES, release.tenant, _key(release))
        if known is not None:
            if known.value == encode(release):
                return
            raise ReleaseRefused(card.name, "another one of this custodian was handed in before")
        await self._record(
            release, card.name, "escrow-share-released", escrow.id,
            {"ceremony": ceremony.id, "custodian": card.fingerprint, "unregistered": release.unregistered},
        )  # fmt: skip
        put = Put(RELEASES, release.tenant, _key(release), encode(release), {"ceremony": [ceremony.id]})
        await self._store.commit([put], expect=[Expect(RELEASES, release.tenant, _key(release), 0)])

    async def collect(self, tenant: TenantId, ceremony_id: str, *, by: str = "") -> list[Release]:
        """The releases of an open ceremony once they are a quorum; that they are handed on is recorded first.

        ``by`` is who asks. No signature of the opener comes with that, so the entry is in this name.
        """
        ceremony = await self._open_ceremony(tenant, ceremony_id)
        escrow = await self.get(tenant, ceremony.escrow)
        found = await self._releases(ceremony)
        if len(found) < escrow.threshold:
            raise NotEnoughShares(needed=escrow.threshold, seen=len(found))
        names = [escrow.custodians[release.custodian - 1].name for release in found]
        await self._record(
            ceremony, by or _OPERATOR, "escrow-shares-collected", escrow.id,
            {"ceremony": ceremony.id, "opener": ceremony.opener.name, "custodians": names}, by, *names,
        )  # fmt: skip
        return found

    async def close(
        self, tenant: TenantId, ceremony_id: str, *, opened: bool, lying: Sequence[str] = (), by: str = ""
    ) -> None:
        """Record the outcome as ``by`` tells it. An opened escrow ends the ceremony; after a failure more may come."""
        ceremony = await self._open_ceremony(tenant, ceremony_id)
        outcome = "opened" if opened else "not-opened"
        await self._record(
            ceremony, by or _OPERATOR, f"escrow-{outcome}", ceremony.escrow,
            {"ceremony": ceremony.id, "opener": ceremony.opener.name, "lying": list(lying)}, by, *lying,
        )  # fmt: skip
        if opened:
            await self._store.commit([self._standing(ceremony, outcome)])

    async def status(self, tenant: TenantId, escrow_id: str) -> list[CeremonyStatus]:
        """The ceremonies of an escrow, oldest first."""
        escrow = await self.get(tenant, escrow_id)
        found = []
        for row in await self._store.find(CEREMONIES, tenant, "escrow", escrow_id):
            standing = decode(row.value, _Standing)
            names = [escrow.custodians[one.custodian - 1].name for one in await self._releases(standing.ceremony)]
            over = self._clock.wall_ns() >= standing.ceremony.expires_at_ns
            state = standing.outcome or ("expired" if over else "open")
            found.append(CeremonyStatus(standing.ceremony, tuple(names), escrow.threshold, state))
        return found

    async def _open_ceremony(self, tenant: TenantId, ceremony_id: str) -> Ceremony:
        row = await self._store.get(CEREMONIES, tenant, ceremony_id)
        if row is None:
            raise NotFound("ceremony", ceremony_id, hint="register it first: `phalanx keys escrow begin`")
        standing = decode(row.value, _Standing)
        if standing.outcome:
            raise CeremonyClosed(ceremony_id, "it has been used")
        standing.ceremony.require_open(self._clock.wall_ns())
        return standing.ceremony

    async def _releases(self, ceremony: Ceremony) -> list[Release]:
        rows = await self._store.find(RELEASES, ceremony.tenant, "ceremony", ceremony.id)
        return [decode(row.value, Release) for row in rows]

    @staticmethod
    def _standing(ceremony: Ceremony, outcome: str) -> Put:
        standing = _Standing(
            id=ceremony.id, tenant=ceremony.tenant, trace=ceremony.trace, at_ns=ceremony.at_ns,
            ceremony=ceremony, outcome=outcome,
        )  # fmt: skip
        return Put(CEREMONIES, ceremony.tenant, ceremony.id, encode(standing), {"escrow": [ceremony.escrow]})

    async def _record(
        self, about: Record, actor: str, action: str, subject: str, body: Mapping[str, Any], *more: str
    ) -> None:
        """One entry per step, however often it is tried: its id follows from the step and what it was about."""
        entry = AuditEntry(
            id=derive_id(about.at_ns, action, about.id, *more), tenant=about.tenant, trace=about.trace,
            at_ns=self._clock.wall_ns(), actor=actor, action=action, subject=subject, case="", body=body,
        )  # fmt: skip
        await self._audit.record(entry)


def _key(release: Release) -> str:
    return f"{release.ceremony}/{release.custodian:03d}"
