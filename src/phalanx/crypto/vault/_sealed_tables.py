"""Which tables hold nothing in clear any more, so that a row in clear there is somebody's else.

Whoever can write to the disk could strike a table from this list, and plant rows again. So it is
sealed by the vault, and a list that is missing where rows were sealed is not taken for one that
was never written: it is in the store before the first row is sealed. What remains is putting
back a whole earlier state of the store, which no record inside it can show.
"""

from phalanx.core import MAX_PAGE_ROWS, NO_TRACE, Put, Record, StorageCorrupt, Store, TenantId, decode, encode
from phalanx.crypto import CryptoError
from phalanx.crypto.vault._model import REGISTER, VAULT_PROGRESS
from phalanx.crypto.vault._vault import Vault

STORE_PURPOSE = "store"
_KEY = "sealed-tables"
_TENANT, _PURPOSE = TenantId("node:store"), "sealed-tables"


class _Listed(Record, frozen=True, kw_only=True, tag="sealed-tables"):
    names: tuple[str, ...]


class SealedTables:
    """Reads and writes the list."""

    def __init__(self, inner: Store, vault: Vault) -> None:
        self._inner = inner
        self._vault = vault

    async def read(self) -> set[str] | None:
        """The names, None when nothing was ever sealed.

        Raises ``StorageCorrupt`` when somebody took the list away or wrote another.
        """
        row = await self._inner.get(VAULT_PROGRESS, REGISTER, _KEY)
        if row is None:
            if await self._was_sealed():
                raise self._tampered("the list of sealed tables is gone")
            return None
        try:
            opener = await self._vault.opener(_TENANT, _PURPOSE)
            return set(decode(opener.open(row.value, _KEY.encode()), _Listed).names)
        except CryptoError as error:
            raise self._tampered(f"the list of sealed tables is not the vault's: {error.message}") from error

    async def write(self, names: set[str]) -> None:
        record = _Listed(
            id=_KEY, tenant=REGISTER, trace=NO_TRACE, at_ns=self._vault.now_ns(), names=tuple(sorted(names))
        )
        sealer = await self._vault.sealer(_TENANT, _PURPOSE)
        sealed = sealer.seal(encode(record), _KEY.encode())
        await self._inner.commit([Put(VAULT_PROGRESS, REGISTER, _KEY, sealed)])

    async def _was_sealed(self) -> bool:
        """Whether any row was ever sealed: its key, or the record of it, is still there."""
        after = ""
        while found := await self._vault.keys(after=after, limit=MAX_PAGE_ROWS):
            if any(key.purpose == STORE_PURPOSE for key in found):
                return True
            after = found[-1].id
        return False

    @staticmethod
    def _tampered(reason: str) -> StorageCorrupt:
        return StorageCorrupt("the vault", 0, f"{reason}; restore the store from a backup")
