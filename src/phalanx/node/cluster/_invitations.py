"""Invitations to the cluster that this node has issued: each is good once, and for a limited time."""

from dataclasses import dataclass

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    Clock,
    Delete,
    EntropySource,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    decode,
    encode,
)
from phalanx.crypto.identity import Certificate, Identities, InvalidCertificate
from phalanx.node._limits import MAX_INVITATIONS
from phalanx.node.cluster._join_token import SECRET_BYTES, Enrolment

INVITATIONS = Table("cluster_invitations", sealed=True)


class InvitationRecord(Record, frozen=True, kw_only=True, tag="cluster-invitation"):
    """``id`` is the invitation's name; ``joined`` the process that used it, with the fingerprint of its root."""

    secret: bytes
    expires_ns: int
    joined: str = ""
    root: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as people see it."""

    name: str
    expires_ns: int
    joined: str


class Invitations:
    """See the module. What is used stays on record until it is removed."""

    def __init__(self, store: Store, identities: Identities, *, clock: Clock, entropy: EntropySource) -> None:
        self._store, self._identities = store, identities
        self._clock, self._entropy = clock, entropy

    async def make(self, name: str, *, lifetime_s: float) -> InvitationRecord:
        """A new invitation; one of that name that was there is void."""
        if len(await self.list()) >= MAX_INVITATIONS:
            raise LimitExceeded("MAX_INVITATIONS", maximum=MAX_INVITATIONS, seen=MAX_INVITATIONS + 1)
        now_ns = self._clock.wall_ns()
        record = InvitationRecord(
            id=name, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=now_ns,
            secret=self._entropy.token(SECRET_BYTES), expires_ns=now_ns + round(lifetime_s * NS_PER_S),
        )  # fmt: skip
        await self._put(record)
        return record

    async def list(self) -> list[Invitation]:
        rows = await self._store.scan(INVITATIONS, DEFAULT_TENANT, limit=MAX_INVITATIONS)
        found = [decode(row.value, InvitationRecord) for row in rows]
        return [Invitation(one.id, one.expires_ns, one.joined) for one in found]

    async def remove(self, name: str) -> None:
        """Raises ``NotFound``."""
        await self._get(name)
        await self._store.commit([Delete(INVITATIONS, DEFAULT_TENANT, name)])

    async def redeem(self, process: str, shown: Enrolment) -> bool:
        """Trust the root of whoever shows this; False when it does already. Raises ``InvalidInput`` or ``NotFound``."""
        record = await self._get(shown.name)
        if not shown.holds(record.secret, process):
            raise InvalidInput("enrolment", f"{process} does not have the token {shown.name}")
        try:
            root = Certificate.from_bytes(shown.root)
        except InvalidCertificate as error:
            raise InvalidInput("enrolment", error.message) from error
        if record.joined:
            if (record.joined, record.root) == (process, root.key_fingerprint):
                return False
            raise InvalidInput("enrolment", f"the token {shown.name} was used by {record.joined} already")
        if self._clock.wall_ns() > record.expires_ns:
            raise InvalidInput("enrolment", f"the token {shown.name} has expired")
        if not process.endswith(f".{root.subject.name}"):
            raise InvalidInput("enrolment", f"{process} is not of {root.subject}")
        await self._identities.trust(root, actor=f"join token {shown.name}")
        await self._put(
            InvitationRecord(
                id=record.id, tenant=record.tenant, trace=record.trace, at_ns=record.at_ns, secret=record.secret,
                expires_ns=record.expires_ns, joined=process, root=root.key_fingerprint,
            )
        )  # fmt: skip
        return True

    async def _get(self, name: str) -> InvitationRecord:
        row = await self._store.get(INVITATIONS, DEFAULT_TENANT, name)
        if row is None:
            raise NotFound("invitation to the cluster", name)
        return decode(row.value, InvitationRecord)

    async def _put(self, record: InvitationRecord) -> None:
        await self._store.commit([Put(INVITATIONS, DEFAULT_TENANT, record.id, encode(record))])
