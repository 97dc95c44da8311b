"""A participant's vote key for one epoch, and the rule that a leaf signs once.

Invariants:

- a leaf is durably taken, in the store, before anything is signed with it; after a crash the
  key goes on behind everything that was taken, used or not;
- one process uses a key: whoever takes leaves says at which version of the row, and a second
  process that does the same gets ``Conflict`` and no leaf;
- the secret seed is stored sealed, the tree is not stored: it follows from the seed;
- a leaf is used up by the call that begins to sign with it, whatever comes of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from phalanx.consensus.votes._chains import VALUE_BYTES, VOTE_CHAINS
from phalanx.consensus.votes._errors import LeavesExhausted, LeavesNotReserved
from phalanx.consensus.votes._limits import (
    DEFAULT_HEIGHT,
    MAX_HEIGHT,
    MAX_STATEMENT_BYTES,
    MIN_HEIGHT,
    READY_LEAVES,
    RESERVED_LEAVES,
)
from phalanx.consensus.votes._ready import ReadyLeaf, ready_leaves
from phalanx.consensus.votes._tree import VoteTree, grow
from phalanx.core import (
    NO_TRACE,
    Clock,
    Delete,
    EntropySource,
    Expect,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    decode,
    derive_id,
    encode,
)

VOTE_KEYS = Table("vote_keys")


class Seal(Protocol):
    """What keeps the secret seed at rest; the vault's sealers are such."""

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes: ...

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes: ...


class VoteKeyRecord(Record, frozen=True, kw_only=True, tag="vote-key"):
    """A vote key at rest. ``taken`` leaves are used, or may have been."""

    participant: str
    epoch: str
    height: int
    public_seed: bytes
    root: bytes
    sealed_seed: bytes
    taken: int


@dataclass(frozen=True, slots=True)
class KeyName:
    """Whose key, and for which epoch, or whichever name tells it from that participant's others."""

    tenant: TenantId
    participant: str
    epoch: str

    @property
    def row(self) -> str:
        return derive_id(0, "vote-key", self.participant, self.epoch)


class VoteKeys:
    """Signs votes with one leaf after another. Made by ``create`` or ``open``."""

    def __init__(self, name: KeyName, tree: VoteTree, record: VoteKeyRecord, version: int, store: Store) -> None:
        """Use ``create`` or ``open``: only they know what was taken."""
        self._name = name
        self._tree = tree
        self._record = record
        self._version = version
        self._store = store
        self._next = self._last = record.taken
        self._ready: dict[int, ReadyLeaf] = {}

    @classmethod
    async def create(
        cls,
        name: KeyName,
        store: Store,
        *,
        seal: Seal,
        entropy: EntropySource,
        clock: Clock,
        offload: Offload,
        height: int = DEFAULT_HEIGHT,
    ) -> "VoteKeys":
        """A fresh key. Raises ``Conflict`` when there is one of that name."""
        if not MIN_HEIGHT <= height <= MAX_HEIGHT:
            raise InvalidInput("height", f"has to be {MIN_HEIGHT} to {MAX_HEIGHT}")
        secret, public = entropy.token(VALUE_BYTES), entropy.token(VALUE_BYTES)
        tree = await offload.run(grow, secret, public, height)
        record = VoteKeyRecord(
            id=name.row,
            tenant=name.tenant,
            trace=NO_TRACE,
            at_ns=clock.wall_ns(),
            participant=name.participant,
            epoch=name.epoch,
            height=height,
            public_seed=public,
            root=tree.root.root,
            sealed_seed=seal.seal(secret, _bound(name)),
            taken=0,
        )
        version = await store.commit([_put(record)], expect=[Expect(VOTE_KEYS, name.tenant, name.row, 0)])
        return cls(name, tree, record, version, store)

    @classmethod
    async def open(cls, name: KeyName, store: Store, *, seal: Seal, offload: Offload) -> "VoteKeys":
        """The key of that name, behind everything that was taken of it. Raises ``NotFound``."""
        row = await store.get(VOTE_KEYS, name.tenant, name.row)
        if row is None:
            raise NotFound("vote key", f"{name.participant} in epoch {name.epoch}")
        record = decode(row.value, VoteKeyRecord)
        secret = seal.open(record.sealed_seed, _bound(name))
        tree = await offload.run(grow, secret, record.public_seed, record.height)
        if tree.root.root != record.root:
            raise InvalidInput("vote key", "its seed does not lead to its root")
        return cls(name, tree, record, row.version, store)

    @property
    def root(self) -> bytes:
        """What the epoch binds to the participant."""
        return self._tree.root.to_bytes()

    @property
    def left(self) -> int:
        """Votes that this key can still cast, taken ones included."""
        return self._tree.leaves - self._next

    @property
    def reserved(self) -> int:
        """Votes that can be cast now."""
        return self._last - self._next

    async def reserve(self, at_least: int = 1) -> None:
        """Take leaves durably, so that ``at_least`` votes can be cast. Raises ``LeavesExhausted``."""
        await reserve_all(self._store, [self], at_least)

    def taking(self, at_least: int) -> tuple[VoteKeyRecord, Expect]:
        """The row that takes so many, and what must stand there before, for ``reserve_all``."""
        if self.left < at_least:
            raise LeavesExhausted(self._tree.leaves)
        taken = min(self._tree.leaves, self._next + max(at_least, RESERVED_LEAVES))
        record = msgspec.structs.replace(self._record, taken=taken)
        return record, Expect(VOTE_KEYS, self._name.tenant, self._name.row, self._version)

    def took(self, record: VoteKeyRecord, version: int) -> None:
        """The row is durable at ``version``."""
        self._version, self._record, self._last = version, record, record.taken

    def prepare(self) -> None:
        """Make the next leaves ready, so that signing with them takes a tenth of the time. Off the event loop."""
        wanted = range(self._next, min(self._tree.leaves, self._next + READY_LEAVES))
        for passed in [leaf for leaf in self._ready if leaf < wanted.start]:
            self._ready.pop(passed, None)
        missing = [leaf for leaf in wanted if leaf not in self._ready]
        if missing:
            self._ready |= zip(missing, ready_leaves(self._tree, missing), strict=True)

    def sign(self, statement: bytes) -> bytes:
        """Cast a vote with the next leaf. Raises ``LeavesNotReserved``, and ``LeavesExhausted`` at the end."""
        if len(statement) > MAX_STATEMENT_BYTES:
            raise LimitExceeded("bytes of a vote's statement", maximum=MAX_STATEMENT_BYTES, seen=len(statement))
        if self._next >= self._tree.leaves:
            raise LeavesExhausted(self._tree.leaves)
        if self._next >= self._last:
            raise LeavesNotReserved
        leaf, self._next = self._next, self._next + 1
        ready = self._ready.pop(leaf, None)
        if ready is not None:
            return b"".join((leaf.to_bytes(4), ready.chains_at(self._tree.root.digest(leaf, statement)), ready.path))
        steps = VOTE_CHAINS.digits([self._tree.root.digest(leaf, statement)])[0]
        return b"".join((leaf.to_bytes(4), self._tree.chains_at(leaf, steps), self._tree.path(leaf)))

    async def erase(self) -> None:
        """Forget the key, here and in the store: it signs no more."""
        self._next = self._last = self._tree.leaves
        self._ready.clear()
        await self._store.commit([Delete(VOTE_KEYS, self._name.tenant, self._name.row)])


async def reserve_all(store: Store, keys: Sequence[VoteKeys], at_least: int = 1) -> None:
    """Take leaves of several keys in one commit. Raises ``LeavesExhausted``; then none was taken."""
    wanting = [one for one in keys if one.reserved < at_least]
    if not wanting:
        return
    rows = [one.taking(at_least) for one in wanting]
    version = await store.commit([_put(record) for record, _ in rows], expect=[expected for _, expected in rows])
    for one, (record, _) in zip(wanting, rows, strict=True):
        one.took(record, version)


def _put(record: VoteKeyRecord) -> Put:
    return Put(VOTE_KEYS, record.tenant, record.id, encode(record))


def _bound(name: KeyName) -> bytes:
    return f"{name.participant}\x00{name.epoch}".encode()
