"""Keys for data at rest: a hierarchy that can be rotated at every level, and shredded tenant by tenant.

A root, wrapped from outside (``KeyWrapper``), holds a key for each tenant, that one a key for
each purpose, and that one the data keys that seal. ``Vault.sealer(tenant, purpose)`` gives what
seals and opens; what it writes names its algorithm and key, and opens only for the tenant,
purpose and context it was sealed for.

Errors::

    CryptoError
    └── VaultError
        ├── WrongKey        sealed or wrapped under another key than the one at hand
        ├── Shredded        the tenant's keys were destroyed, and with them its data
        ├── ClearRow        a row in the clear in a table where everything is sealed
        ├── NotSealed       bytes are not in the form that a sealer writes
        └── KeyExhausted    a key has reached its bound of uses and the store accepts no new one
"""

from phalanx.crypto.vault._blinder import Blinder
from phalanx.crypto.vault._envelope import Envelope, looks_sealed, parse
from phalanx.crypto.vault._errors import ClearRow, KeyExhausted, NotSealed, Shredded, VaultError, WrongKey
from phalanx.crypto.vault._migration import Migration, MigrationJob, MigrationState, SealedFiles
from phalanx.crypto.vault._model import (
    VAULT_EVENTS,
    VAULT_KEYS,
    VAULT_PROGRESS,
    VAULT_SHREDS,
    KeyRecord,
    KeyState,
    Level,
    VaultEvent,
)
from phalanx.crypto.vault._outbox import Outbox
from phalanx.crypto.vault._passphrase import PassphraseWrapper, passphrase_wrapper
from phalanx.crypto.vault._resealing import SealedRows
from phalanx.crypto.vault._sealed_store import SealedStore
from phalanx.crypto.vault._sealer import Opener, Sealer
from phalanx.crypto.vault._sealers import KeyUses
from phalanx.crypto.vault._vault import Vault
from phalanx.crypto.vault._wrapping import (
    WRAPPERS_GROUP,
    KeyWrapper,
    WrapperContext,
    unwrap_under,
    wrap_under,
)

__all__ = [
    "VAULT_EVENTS",
    "VAULT_KEYS",
    "VAULT_PROGRESS",
    "VAULT_SHREDS",
    "WRAPPERS_GROUP",
    "Blinder",
    "ClearRow",
    "Envelope",
    "KeyExhausted",
    "KeyRecord",
    "KeyState",
    "KeyUses",
    "KeyWrapper",
    "Level",
    "Migration",
    "MigrationJob",
    "MigrationState",
    "NotSealed",
    "Opener",
    "Outbox",
    "PassphraseWrapper",
    "SealedFiles",
    "SealedRows",
    "SealedStore",
    "Sealer",
    "Shredded",
    "Vault",
    "VaultError",
    "VaultEvent",
    "WrapperContext",
    "WrongKey",
    "looks_sealed",
    "parse",
    "passphrase_wrapper",
    "unwrap_under",
    "wrap_under",
]
