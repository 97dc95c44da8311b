"""A log for witnesses to look at, in memory: honest as long as nobody forks it."""

from typing import TYPE_CHECKING

from phalanx.core import NS_PER_S, Clock

if TYPE_CHECKING:
    from phalanx.crypto import HybridSigner, PublicKey
    from phalanx.ledger import Checkpoint


class SimLog:
    """Leaves and signed checkpoints of a log with any key; what witnessing needs of a ledger."""

    def __init__(self, signer: "HybridSigner", clock: Clock) -> None:
        from phalanx.ledger import HashTree

        self._signer = signer
        self._clock = clock
        self._tree: HashTree = HashTree()
        self._leaves: list[bytes] = []
        self._signed: dict[int, Checkpoint] = {}
        self.origin = f"phalanx-ledger/{signer.public.fingerprint[:16]}"

    @property
    def size(self) -> int:
        return len(self._tree)

    @property
    def public_key(self) -> "PublicKey":
        return self._signer.public

    def append(self, *leaves: bytes) -> None:
        from phalanx.ledger import leaf_hash

        for leaf in leaves:
            self._leaves.append(leaf)
            self._tree.append(leaf_hash(leaf))

    def root_at(self, size: int) -> str:
        """The root of the first ``size`` leaves in hex; empty where there are not as many."""
        from phalanx.ledger import root

        return root(self._tree, size).hex() if size <= self.size else ""

    def fork(self, at: int) -> "SimLog":
        """A second history under the same key, equal in the first ``at`` leaves."""
        other = SimLog(self._signer, self._clock)
        other.append(*self._leaves[:at])
        return other

    async def checkpoint(self) -> "Checkpoint":
        from phalanx.ledger import root, sign_checkpoint

        found = self._signed.get(self.size)
        if found is None:
            head = root(self._tree, self.size)
            found = sign_checkpoint(self._signer, self.origin, self.size, head, self._clock.wall_ns() // NS_PER_S)
            self._signed[self.size] = found
        return found

    async def newest(self) -> "Checkpoint | None":
        return self._signed[max(self._signed)] if self._signed else None

    async def signed(self, size: int) -> "Checkpoint | None":
        return self._signed.get(size)

    async def prefix(self, old: int, new: int) -> tuple[bytes, list[bytes]]:
        from phalanx.ledger import consistency_proof, root

        return root(self._tree, old), consistency_proof(self._tree, old, new)
