"""What this room raises."""

from phalanx.crypto._errors import CryptoError


class VaultError(CryptoError):
    """Root of this room's errors."""

    code = "vault"


class WrongKey(VaultError):
    """It was sealed under another key than the one at hand. Attribute: ``what``."""

    code = "wrong-key"
    what: str

    def __init__(self, what: str, reason: str, *, hint: str = "") -> None:
        super().__init__(
            f"the key does not fit {what}: {reason}",
            hint=hint or "nothing was changed; give the key that it was sealed with",
            what=what,
        )


class Shredded(VaultError):
    """The tenant's keys were destroyed; what was sealed for it is gone for good. Attribute: ``tenant``."""

    code = "shredded"
    tenant: str

    def __init__(self, tenant: str) -> None:
        super().__init__(
            f"tenant {tenant!r} was shredded: its keys are destroyed",
            hint="nothing can bring its data back; use another tenant name for new data",
            tenant=tenant,
        )


class NotSealed(VaultError):
    """Bytes are not in the form that a sealer writes. Attribute: ``reason``."""

    code = "not-sealed"
    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(f"these are not sealed bytes: {reason}", reason=reason)


class ClearRow(VaultError):
    """A row is in the clear in a table where every row is sealed. Attributes: ``table``, ``key``."""

    code = "clear-row"
    table: str
    key: str

    def __init__(self, table: str, key: str) -> None:
        super().__init__(
            f"row {key!r} of table {table} is in clear, and everything that this node wrote there is sealed",
            hint="somebody bypassed the node: check who can write to its storage, and restore the row from a backup",
            table=table,
            key=key,
        )


class KeyExhausted(VaultError):
    """A data key has reached its bound of uses and there is no new one yet. Attribute: ``key``."""

    code = "key-exhausted"
    key: str

    def __init__(self, key: str) -> None:
        super().__init__(
            f"data key {key} has no uses left",
            hint="the vault creates the next key by itself as soon as its store accepts writes",
            key=key,
        )
