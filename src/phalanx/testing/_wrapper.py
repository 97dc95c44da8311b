"""A root wrapped by nothing but memory, for simulations."""

from phalanx.core import EntropySource
from phalanx.crypto import KEY_BYTES
from phalanx.crypto.vault import unwrap_under, wrap_under


class MemoryWrapper:
    """A ``KeyWrapper`` whose key lives as long as this object. Only a simulation may use it."""

    name = "memory"

    def __init__(self, entropy: EntropySource) -> None:
        self._entropy = entropy
        self._kek = entropy.token(KEY_BYTES)

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        return wrap_under(self._kek, key, context, self._entropy)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return unwrap_under(self._kek, wrapped, context, what="the vault's root key")

    async def close(self) -> None:
        """Nothing to give back."""
