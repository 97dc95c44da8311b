"""Keys in memory: making them, and putting one under another.

A key under its parent is ``nonce ‖ AEAD(parent, key, binding of the record)``. Parents wrap few
keys, so a random nonce is far from its bound.
"""

from dataclasses import dataclass, field

import msgspec

from phalanx.core import NO_TRACE, Clock, EntropySource, IdSource, TenantId
from phalanx.crypto import KEY_BYTES, NONCE_BYTES, Aead, NotAuthentic
from phalanx.crypto.vault._errors import WrongKey
from phalanx.crypto.vault._model import KeyRecord, KeyState, Level, StoredKey


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is open. Its representation shows nothing secret."""

    record: KeyRecord
    secret: bytes = field(repr=False)
    aead: Aead = field(repr=False)

    @property
    def id(self) -> str:
        return self.record.id


class KeyMaker:
    """Makes keys from the entropy source, and wraps and unwraps them under their parents."""

    def __init__(self, clock: Clock, ids: IdSource, entropy: EntropySource) -> None:
        self._clock = clock
        self._ids = ids
        self._entropy = entropy

    def make(self, level: Level, tenant: TenantId, purpose: str, parent: Key | None, algorithm: str) -> Key:
        """A fresh key. One without a parent is a root: its record is complete once the wrapper has wrapped it."""
        secret = self._entropy.token(KEY_BYTES)
        record = KeyRecord(
            id=self._ids.new(),
            tenant=tenant,
            trace=NO_TRACE,
            at_ns=self._clock.wall_ns(),
            level=level,
            purpose=purpose,
            parent="" if parent is None else parent.id,
            algorithm=algorithm,
            state=KeyState.ACTIVE,
            wrapped=b"",
        )
        if parent is not None:
            record = msgspec.structs.replace(record, wrapped=self._wrap(secret, record, parent))
        return Key(record, secret, Aead(algorithm, secret))

    def unwrap(self, stored: StoredKey, parent: Key) -> Key:
        """Open a stored key; raises ``WrongKey`` when its record is not what ``parent`` sealed."""
        record = stored.record
        nonce, sealed = record.wrapped[:NONCE_BYTES], record.wrapped[NONCE_BYTES:]
        try:
            secret = parent.aead.open(nonce, sealed, record.binding())
        except NotAuthentic as error:
            raise WrongKey(
                f"the {record.level.value} key {record.id}", "its record was changed, or is of another vault"
            ) from error
        return Key(record, secret, Aead(record.algorithm, secret))

    def move(self, key: Key, parent: Key) -> KeyRecord:
        """The record of ``key`` under another parent; the key itself stays what it is."""
        moved = msgspec.structs.replace(key.record, parent=parent.id)
        return msgspec.structs.replace(moved, wrapped=self._wrap(key.secret, moved, parent))

    def _wrap(self, secret: bytes, record: KeyRecord, parent: Key) -> bytes:
        nonce = self._entropy.token(NONCE_BYTES)
        return nonce + parent.aead.seal(nonce, secret, record.binding())


def destroyed(record: KeyRecord) -> KeyRecord:
    """The record of a key of which nothing is left."""
    return msgspec.structs.replace(record, state=KeyState.DESTROYED, wrapped=b"")


def retired(record: KeyRecord) -> KeyRecord:
    return msgspec.structs.replace(record, state=KeyState.RETIRED)
