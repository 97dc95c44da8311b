"""The root wrapped by a passphrase: Argon2id (RFC 9106) makes the key that wraps it.

The parameters and the salt are stored with the wrapped key, so that they can be raised later
and what was wrapped before still opens.
"""

import msgspec

from phalanx.core import EntropySource, InvalidInput, Offload
from phalanx.crypto import ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2ID, KEY_BYTES, argon2id
from phalanx.crypto.vault._errors import WrongKey
from phalanx.crypto.vault._limits import (
    MAX_ARGON2_LANES,
    MAX_ARGON2_MEMORY_KIB,
    MAX_ARGON2_PASSES,
    MAX_PASSPHRASE_BYTES,
    MIN_PASSPHRASE_BYTES,
    SALT_BYTES,
)
from phalanx.crypto.vault._wrapping import WrapperContext, unwrap_under, wrap_under

_WHAT = "the vault's root key"


class _Stretched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kdf: str
    salt: bytes
    memory_kib: int
    passes: int
    lanes: int
    wrapped: bytes


_decoder = msgspec.msgpack.Decoder(_Stretched)


class PassphraseWrapper:
    """A ``KeyWrapper`` for whoever knows the passphrase."""

    name = "passphrase"

    def __init__(
        self,
        passphrase: bytes,
        *,
        entropy: EntropySource,
        offload: Offload,
        memory_kib: int = ARGON2_MEMORY_KIB,
        passes: int = ARGON2_PASSES,
        lanes: int = ARGON2_LANES,
    ) -> None:
        if not MIN_PASSPHRASE_BYTES <= len(passphrase) <= MAX_PASSPHRASE_BYTES:
            raise InvalidInput(
                "passphrase", f"it has to be {MIN_PASSPHRASE_BYTES} to {MAX_PASSPHRASE_BYTES} bytes long"
            )
        self._passphrase = passphrase
        self._entropy = entropy
        self._offload = offload
        self._costs = (memory_kib, passes, lanes)

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        salt = self._entropy.token(SALT_BYTES)
        memory_kib, passes, lanes = self._costs
        kek = await self._stretch(salt, memory_kib, passes, lanes)
        wrapped = wrap_under(kek, key, context, self._entropy)
        return msgspec.msgpack.encode(_Stretched(ARGON2ID, salt, memory_kib, passes, lanes, wrapped))

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        try:
            found = _decoder.decode(wrapped)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WrongKey(_WHAT, f"it was not wrapped by a passphrase ({error})") from error
        # A changed record could otherwise ask for any amount of memory.
        if (
            found.kdf != ARGON2ID
            or not 0 < found.memory_kib <= MAX_ARGON2_MEMORY_KIB
            or not 0 < found.passes <= MAX_ARGON2_PASSES
            or not 0 < found.lanes <= MAX_ARGON2_LANES
            or len(found.salt) != SALT_BYTES
        ):
            raise WrongKey(_WHAT, "its parameters are none that are written here; the record was changed")
        kek = await self._stretch(found.salt, found.memory_kib, found.passes, found.lanes)
        return unwrap_under(kek, found.wrapped, context, what=_WHAT, hint="the passphrase is another one; try again")

    async def close(self) -> None:
        """Nothing to give back."""

    async def _stretch(self, salt: bytes, memory_kib: int, passes: int, lanes: int) -> bytes:
        return await self._offload.run(
            argon2id, self._passphrase, salt=salt, length=KEY_BYTES, memory_kib=memory_kib, passes=passes, lanes=lanes
        )


def passphrase_wrapper(context: WrapperContext) -> PassphraseWrapper:
    """Plug-in ``passphrase``. Options: ``memory_kib``, ``passes``, ``lanes`` for what is wrapped from now on."""
    context.only("memory_kib", "passes", "lanes", "passphrase_file", "passphrase_fd")
    costs = {}
    defaults = {"memory_kib": ARGON2_MEMORY_KIB, "passes": ARGON2_PASSES, "lanes": ARGON2_LANES}
    maxima = {"memory_kib": MAX_ARGON2_MEMORY_KIB, "passes": MAX_ARGON2_PASSES, "lanes": MAX_ARGON2_LANES}
    for name, default in defaults.items():
        text = context.option(name, str(default))
        if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= maxima[name]:
            raise InvalidInput(f"at_rest.options.{name}", f"{text!r} is not a number from 1 to {maxima[name]}")
        costs[name] = int(text)
    return PassphraseWrapper(context.secret("passphrase"), entropy=context.entropy, offload=context.offload, **costs)
