"""Checking the anchors: each signature, its day, its checkpoint, and that the log announced its key before."""

from collections.abc import Sequence

from phalanx.core import Store
from phalanx.crypto import CryptoError, PublicKey, VerifyingKey
from phalanx.ledger._anchor import Anchor, StoredAnchor, announced_key, stored_anchors, unannounced
from phalanx.ledger._checkpoint import origin_of, verify_checkpoint
from phalanx.ledger._errors import InvalidCheckpoint, LedgerTampered
from phalanx.ledger._leaf import Identity
from phalanx.ledger._limits import PAGE_CHECKPOINTS
from phalanx.ledger._shelf import Shelf


class AnchorAudit:
    """Takes entries in order, and remembers which anchor keys they announce; there is seldom more than one."""

    def __init__(self, store: Store, key: PublicKey) -> None:
        self._store = store
        self._shelf = Shelf(store)
        self._key = key
        self._origin = origin_of(key)
        self._index = 0
        self._announced: dict[str, int] = {}
        self.n_anchors = 0

    async def add(self, said: Sequence[Identity]) -> None:
        for index, one in enumerate(said, self._index):
            if fingerprint := announced_key(one):
                self._announced.setdefault(fingerprint, index)
        self._index += len(said)

    async def finish(self, _: int) -> None:
        """Raises ``LedgerTampered`` naming the day of the first anchor that does not hold."""
        after = ""
        while page := await stored_anchors(self._store, after=after, limit=PAGE_CHECKPOINTS):
            for one in page:
                await self._check(one)
                self.n_anchors += 1
            after = page[-1].day

    async def _check(self, one: StoredAnchor) -> None:
        what = f"anchor of {one.day}"
        try:
            key = VerifyingKey.from_bytes(one.public_key)
            anchor = one.checked(key)
        except (CryptoError, InvalidCheckpoint) as error:
            raise LedgerTampered(what, 0, error.message) from error
        if self._announced.get(key.fingerprint, anchor.size) >= anchor.size:
            raise unannounced(one.day, anchor.size, key.fingerprint)
        if not await self._is_signed(anchor):
            raise LedgerTampered(what, anchor.size, "it is of no checkpoint of this log")

    async def _is_signed(self, anchor: Anchor) -> bool:
        stored = await self._shelf.checkpoint(anchor.size)
        if stored is None:
            return False
        checkpoint = verify_checkpoint(stored.note, self._key)
        return (checkpoint.size, checkpoint.root, checkpoint.origin) == (anchor.size, anchor.root, self._origin) and (
            anchor.origin == self._origin
        )
