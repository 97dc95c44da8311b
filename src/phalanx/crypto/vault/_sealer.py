"""Sealing and opening for one tenant and purpose: synchronous, and as fast as the cipher.

Nonces are 96 random bits, drawn for every message, many at a time. Two equal ones under one key would give away
both messages, so a key is used for so many messages only that this is less likely than 2^-32
(``_limits``). The uses are handed out in steps that are durable before the first of them, so
the bound holds over any number of crashes; at the end of a step ``seal`` refuses rather than
goes on.
"""

from dataclasses import dataclass
from typing import Protocol

from phalanx.core import EntropySource, LimitExceeded, TenantId
from phalanx.crypto import NONCE_BYTES, TAG_BYTES, Aead
from phalanx.crypto.vault._envelope import MAGIC, binding_of, header_of, parse
from phalanx.crypto.vault._errors import KeyExhausted, Shredded, WrongKey
from phalanx.crypto.vault._keys import Key
from phalanx.crypto.vault._limits import MAX_AAD_BYTES, MAX_PLAINTEXT_BYTES, NONCES_AT_ONCE, USE_BYTES

_NAME_LENGTH_AT = len(MAGIC) + 1
_ID_AFTER = _NAME_LENGTH_AT + 1 + 16


@dataclass(frozen=True, slots=True)
class _DataKey:
    """A data key made ready: ``bound`` is what is authenticated before the caller's own bytes."""

    id: str
    aead: Aead
    header: bytes
    bound: bytes


class Opener(Protocol):
    """Opens what was sealed for one tenant and purpose."""

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes: ...

    def is_stale(self, sealed: bytes) -> bool: ...

    def is_current(self, key_id: str) -> bool: ...


class Sealer:
    """Seals and opens for one tenant and purpose; ``Vault.sealer`` makes it and renews its keys in place."""

    __slots__ = (
        "__weakref__",
        "_binding",
        "_current",
        "_entropy",
        "_fresh",
        "_keys",
        "_left",
        "_nonces",
        "_shredded",
        "purpose",
        "tenant",
    )

    def __init__(self, tenant: TenantId, purpose: str, entropy: EntropySource) -> None:
        self.tenant = tenant
        self.purpose = purpose
        self._entropy = entropy
        self._binding = binding_of(tenant, purpose)
        self._keys: dict[bytes, _DataKey] = {}
        self._current: _DataKey | None = None
        # What is sealed under it needs no other: the current key, also before any use of it is taken.
        self._fresh: _DataKey | None = None
        self._left = 0
        self._nonces = b""
        self._shredded = False

    def __repr__(self) -> str:
        return f"<Sealer of {self.tenant!r} for {self.purpose!r}, {len(self._keys)} keys>"

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:
        """Sealed bytes that open only for this tenant, purpose and ``aad``.

        Raises ``Shredded``, and ``KeyExhausted`` when no durable use of the key is left.
        """
        key = self._current
        uses = 1 + len(plaintext) // USE_BYTES
        if key is None or uses > self._left:
            raise self._refusal()
        if len(plaintext) > MAX_PLAINTEXT_BYTES or len(aad) > MAX_AAD_BYTES:
            raise LimitExceeded("bytes to seal at once", maximum=MAX_PLAINTEXT_BYTES, seen=len(plaintext))
        self._left -= uses
        if not self._nonces:
            self._nonces = self._entropy.token(NONCES_AT_ONCE * NONCE_BYTES)
        nonce, self._nonces = self._nonces[:NONCE_BYTES], self._nonces[NONCE_BYTES:]
        return b"".join((key.header, nonce, key.aead.seal(nonce, plaintext, key.bound + aad)))

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:
        """The plaintext again.

        Raises ``NotSealed`` for bytes no sealer wrote, ``WrongKey`` when their key is none of
        this tenant and purpose, ``NotAuthentic`` when they or ``aad`` are not as they were,
        and ``Shredded``.
        """
        key = self._key_of(sealed)
        start = len(key.header)
        body = start + NONCE_BYTES
        return key.aead.open(sealed[start:body], sealed[body:], key.bound + aad)

    def is_stale(self, sealed: bytes) -> bool:
        """Whether sealed bytes need another key than the one that seals now."""
        return self._key_of(sealed) is not self._fresh

    def is_current(self, key_id: str) -> bool:
        """Whether what is sealed under this key needs no other."""
        return self._fresh is not None and self._fresh.id == key_id

    @property
    def uses_left(self) -> int:
        """Messages that may be sealed before another step is taken from the key's bound."""
        return self._left if self._current is not None else 0

    @property
    def current_key(self) -> str:
        """The id of the key that seals; empty when none does yet."""
        return "" if self._current is None else self._current.id

    def hold(self, keys: list[Key]) -> None:
        """Open with these keys from now on. For the vault."""
        for key in keys:
            header = header_of(key.record.algorithm, key.id)
            if header not in self._keys:
                self._keys[header] = _DataKey(key.id, key.aead, header, header + self._binding)

    def keep(self, key: Key) -> None:
        """What is sealed under this key, and nothing else, is as it should be. For the vault."""
        self.hold([key])
        self._fresh = self._keys[header_of(key.record.algorithm, key.id)]

    def seal_with(self, key: Key, uses: int) -> None:
        """Seal with this key from now on, ``uses`` more times at most. For the vault."""
        self.keep(key)
        self._current, self._left = self._fresh, uses

    def add_uses(self, uses: int) -> None:
        """So many more uses of the current key are durably taken. For the vault."""
        self._left += uses

    def shred(self) -> None:
        """Forget all keys and refuse from now on. For the vault."""
        self._shredded = True
        self._keys.clear()
        self._current, self._fresh, self._left = None, None, 0

    def _key_of(self, sealed: bytes) -> _DataKey:
        if len(sealed) > _NAME_LENGTH_AT:
            found = self._keys.get(bytes(sealed[: _ID_AFTER + sealed[_NAME_LENGTH_AT]]))
            if found is not None and len(sealed) >= len(found.header) + NONCE_BYTES + TAG_BYTES:
                return found
        if self._shredded:
            raise Shredded(self.tenant)
        envelope = parse(sealed)
        raise WrongKey(
            f"bytes sealed for {self.purpose}",
            f"they name key {envelope.key_id} ({envelope.algorithm}), which is none of tenant {self.tenant!r}'s",
        )

    def _refusal(self) -> Exception:
        return Shredded(self.tenant) if self._shredded else KeyExhausted(self.current_key or "(none yet)")
