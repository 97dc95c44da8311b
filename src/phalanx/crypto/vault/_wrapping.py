"""What guards the root key from outside: one port, and the part that several of its adapters share.

A wrapper is given the root key and hands back bytes that only it can turn into the key again.
The vault stores those bytes; what the wrapper itself needs (a passphrase, a file, a token's
key) it never sees. Wrapping and unwrapping happen at start, at a rotation of the root and when
the wrapper is changed, never on the way of an event.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from phalanx.core import EntropySource, InvalidInput, Offload
from phalanx.crypto import AES_256_GCM, NONCE_BYTES, Aead, InvalidKey, NotAuthentic
from phalanx.crypto.vault._errors import WrongKey

WRAPPERS_GROUP = "phalanx.key_wrappers"


class KeyWrapper(Protocol):
    """Wraps the root key. Adapters: a passphrase, a key file, an OS keyring, an HSM, a KMS.

    ``context`` says which key it is; what was wrapped under one context does not unwrap under
    another. ``unwrap`` raises ``WrongKey`` when it holds another key than the one that wrapped,
    and either raises ``Unavailable`` when what does the work is not there now. ``wrap`` makes
    the wrapper's own key where there is none yet; ``unwrap`` never does.
    """

    @property
    def name(self) -> str:
        """What the stored key and the setting call it."""
        ...

    async def wrap(self, key: bytes, context: bytes) -> bytes: ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class WrapperContext:
    """What a wrapper is made from. ``options`` are the settings of this wrapper, ``secret`` asks for a passphrase.

    ``secret(what)`` gives what a person or the environment was asked for, e.g. a passphrase or
    a PIN; it never comes from settings or the command line.
    """

    options: Mapping[str, str]
    data_dir: Path
    entropy: EntropySource
    offload: Offload
    secret: Callable[[str], bytes] = field(repr=False)

    def option(self, name: str, default: str | None = None) -> str:
        """A setting of the wrapper; raises ``InvalidInput`` when it has no default and is not set."""
        value = self.options.get(name, default)
        if value is None:
            raise InvalidInput(f"at_rest.options.{name}", "this wrapper needs it")
        return value

    def only(self, *known: str) -> None:
        """Raises ``InvalidInput`` for an option that this wrapper does not have."""
        for name in self.options:
            if name not in known:
                there = ", ".join(known) or "none"
                raise InvalidInput(f"at_rest.options.{name}", f"this wrapper has no such option; it has {there}")


class _Wrapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    algorithm: str
    kek: bytes
    nonce: bytes
    sealed: bytes


_decoder = msgspec.msgpack.Decoder(_Wrapped)
_PRINT_BYTES = 8


def wrap_under(kek: bytes, key: bytes, context: bytes, entropy: EntropySource) -> bytes:
    """``key`` sealed under a key-encryption key that is in this process."""
    nonce = entropy.token(NONCE_BYTES)
    sealed = Aead(AES_256_GCM, kek).seal(nonce, key, context)
    return msgspec.msgpack.encode(_Wrapped(AES_256_GCM, _print_of(kek), nonce, sealed))


def unwrap_under(kek: bytes, wrapped: bytes, context: bytes, *, what: str, hint: str = "") -> bytes:
    """The key again; raises ``WrongKey``, saying whether another key or damage is the reason."""
    try:
        found = _decoder.decode(wrapped)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongKey(what, f"the wrapped key is not in the form that is written here ({error})", hint=hint) from error
    if found.kek != _print_of(kek):
        raise WrongKey(what, "it was wrapped by another key", hint=hint)
    try:
        return Aead(found.algorithm, kek).open(found.nonce, found.sealed, context)
    except (NotAuthentic, InvalidKey) as error:
        raise WrongKey(what, "the wrapped key was changed, or belongs to another vault", hint=hint) from error


def _print_of(kek: bytes) -> bytes:
    """Tells two keys apart without telling anything of them: they are random, or slow to derive."""
    return hashlib.sha256(b"phalanx key print v1\x00" + kek).digest()[:_PRINT_BYTES]
