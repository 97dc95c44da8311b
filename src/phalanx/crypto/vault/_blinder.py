"""Index values that cannot be read but can still be looked up.

A blind value is HMAC-SHA-256 of table, index and value, cut to 128 bits, under a key of the
tenant's own. Equal values of one index look equal, and that is all that is seen of them: which
rows share a value, and how many. The key never changes: every row's index would have to.
"""

import hmac

from phalanx.core import TenantId
from phalanx.crypto import hkdf
from phalanx.crypto.vault._errors import Shredded
from phalanx.crypto.vault._keys import Key
from phalanx.crypto.vault._limits import MAX_RECENT_BLINDS
from phalanx.crypto.vault._model import framed

INDEX_PURPOSE = "index"
_BLIND_BYTES = 16


class Blinder:
    """Blinds for one tenant; ``Vault.blinder`` makes it."""

    __slots__ = ("__weakref__", "_key", "_recent", "_tenant")

    def __init__(self, tenant: TenantId, key: Key) -> None:
        self._tenant = tenant
        self._key = hkdf(key.secret, salt=b"", info=b"phalanx blind index v1")
        # Rows written together share values: a stage, a trace. What is blinded again costs a look-up.
        self._recent: dict[tuple[str, str, str], str] = {}

    def __repr__(self) -> str:
        return f"<Blinder of {self._tenant!r}>"

    def blind(self, table: str, index: str, value: str) -> str:
        """What stands in the index in the place of ``value``. Raises ``Shredded``."""
        named = (table, index, value)
        known = self._recent.get(named)
        if known is None:
            known = self.digest(framed(table) + framed(index) + value.encode())
            if len(self._recent) >= MAX_RECENT_BLINDS:
                self._recent.clear()
            self._recent[named] = known
        return known

    def digest(self, data: bytes) -> str:
        """A fingerprint of ``data`` that tells nothing to whoever has not the key. Raises ``Shredded``."""
        if not self._key:
            raise Shredded(self._tenant)
        return hmac.digest(self._key, data, "sha256")[:_BLIND_BYTES].hex()

    def shred(self) -> None:
        """Forget the key. For the vault."""
        self._key = b""
        self._recent.clear()
