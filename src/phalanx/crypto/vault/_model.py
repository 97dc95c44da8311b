"""The keys of the hierarchy as records, and where they lie.

    root → tenant → purpose → data

Each key is stored under its parent's: sealed by it, and bound to its own id, level, owner and
parent, so that no record can be passed off as another. The root is wrapped from outside. All
records lie in one register under the default tenant, each naming the tenant it belongs to: what
happens to the root concerns all of them.
"""

from dataclasses import dataclass
from enum import Enum

from phalanx.core import DEFAULT_TENANT, Expect, Put, Record, Table, TenantId, encode

VAULT_KEYS = Table("vault_keys", indexes=("level", "owner", "parent"))
VAULT_SHREDS = Table("vault_shreds")
VAULT_EVENTS = Table("vault_events")
VAULT_PROGRESS = Table("vault_progress")

REGISTER = DEFAULT_TENANT
# The index value of keys that were replaced or destroyed while keys under them are still to be seen to.
SETTLING = "settling"


class Level(Enum):
    """Where in the hierarchy a key stands."""

    ROOT = "root"
    TENANT = "tenant"
    PURPOSE = "purpose"
    DATA = "data"


class KeyState(Enum):
    """Active keys seal; retired ones only open what they sealed; of destroyed ones nothing is left but the record."""

    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class KeyRecord(Record, frozen=True, kw_only=True, tag="vault-key"):
    """A key without its secret. ``at_ns`` is when it was made, ``tenant`` whose it is.

    ``algorithm`` is what the key is used with, ``wrapped`` the key itself under its parent's
    algorithm (empty when it is destroyed), ``wrapper`` who wrapped a root. ``reserved_uses``
    counts what of a data key's bound was handed out.
    """

    level: Level
    purpose: str = ""
    parent: str = ""
    algorithm: str
    state: KeyState
    wrapped: bytes
    wrapper: str = ""
    reserved_uses: int = 0

    def binding(self) -> bytes:
        """What the wrapped key is bound to: everything that says which key it is, but for its state."""
        parts = (self.id, self.level.value, self.tenant, self.purpose, self.parent, self.algorithm)
        return b"phalanx vault key v1\x00" + b"".join(framed(part) for part in parts)


class ShredRecord(Record, frozen=True, kw_only=True, tag="vault-shred"):
    """That a tenant's keys were destroyed, when and by whom. It is never removed."""

    actor: str


class VaultEvent(Record, frozen=True, kw_only=True, tag="vault-event"):
    """A change of the vault that the ledger is still to be told; written in the commit of the change."""

    actor: str
    action: str
    subject: str
    body: dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key record and the version its row stands at."""

    record: KeyRecord
    version: int

    def expect(self) -> Expect:
        return Expect(VAULT_KEYS, REGISTER, self.record.id, self.version)


def framed(text: str) -> bytes:
    """Text with its length before it, so that no two lists of texts join to the same bytes."""
    raw = text.encode()
    return len(raw).to_bytes(2) + raw


def owner_of(tenant: TenantId, purpose: str) -> str:
    """The index value of the keys of one tenant and purpose; purpose is empty for the tenant's own."""
    return f"{purpose}\x1f{tenant}"


def key_put(record: KeyRecord, *, settling: bool = False) -> Put:
    """The row of a key. A destroyed key is found by its level alone: nothing may be sealed or opened with it."""
    index: dict[str, list[str]] = {"level": [record.level.value, *([SETTLING] if settling else [])]}
    if record.state is not KeyState.DESTROYED:
        index["owner"] = [owner_of(record.tenant, record.purpose)] if record.level is not Level.ROOT else []
        index["parent"] = [record.parent] if record.parent else []
    return Put(VAULT_KEYS, REGISTER, record.id, encode(record), index)
