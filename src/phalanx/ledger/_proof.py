"""A proof that one entry is in the log, as a value that can be handed to anybody."""

from dataclasses import dataclass

from phalanx.ledger._errors import InvalidProof
from phalanx.ledger._merkle import leaf_hash, verify_inclusion


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Hashes in hex. ``root`` is worth what the checkpoint of ``size`` that names it is worth."""

    index: int
    size: int
    leaf_hash: str
    path: tuple[str, ...]
    root: str

    def verify(self, leaf: bytes, expected_root: str) -> None:
        """That ``leaf`` is entry ``index`` under ``expected_root``; raises ``InvalidProof``."""
        hashed = leaf_hash(leaf)
        if hashed.hex() != self.leaf_hash:
            raise InvalidProof("it was made for another entry")
        try:
            path = [bytes.fromhex(step) for step in self.path]
            expected = bytes.fromhex(expected_root)
        except ValueError as error:
            raise InvalidProof(f"a hash is not hexadecimal: {error}") from error
        verify_inclusion(hashed, self.index, self.size, path, expected)
