"""The vault's root wrapped by a key in a PKCS#11 token: an HSM, a smart card, SoftHSM (extra ``pkcs11``).

The token makes an AES-256 key of its own, marked sensitive and not extractable, and does
AES-GCM with it (PKCS#11 v3.0 §6.13.5): the key never leaves it. A session is opened for one call
and closed after it, so that a token that was taken away is noticed and one that came back works.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from phalanx.core import EntropySource, InvalidInput, Offload, Unavailable
from phalanx.crypto import NONCE_BYTES
from phalanx.crypto.vault import WrapperContext, WrongKey

_WHAT = "the vault's root key"
_ID_BYTES = 16
_KEY_BITS = 256
_TAG_BITS = 128
# A PKCS#11 library is one for the process, and many are not safe to enter twice.
_ENTER = threading.Lock()


class _Wrapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``key_id`` is the CKA_ID of the token's key."""

    key_id: bytes
    nonce: bytes
    sealed: bytes


_decoder = msgspec.msgpack.Decoder(_Wrapped)


class Pkcs11Wrapper:
    """A ``KeyWrapper`` whose key is the one labelled ``key`` in the token labelled ``token``."""

    name = "pkcs11"

    def __init__(
        self,
        module: str,
        token: str,
        pin: bytes,
        *,
        entropy: EntropySource,
        offload: Offload,
        key: str = "phalanx-root",
    ) -> None:
        self._module = module
        self._token = token
        self._key = key
        self._pin = pin
        self._entropy = entropy
        self._offload = offload
        self._pkcs11 = _library()

    def __repr__(self) -> str:
        return f"<Pkcs11Wrapper {self._key!r} in token {self._token!r}>"

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        return await self._offload.run(self._in_session, lambda session: self._wrap(session, key, context))

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        try:
            found = _decoder.decode(wrapped)
        except msgspec.DecodeError as error:
            raise WrongKey(_WHAT, f"it was not wrapped by a token ({error})", hint=self._hint) from error
        return await self._offload.run(self._in_session, lambda session: self._unwrap(session, found, context))

    async def close(self) -> None:
        """Sessions do not outlive a call."""

    @property
    def _hint(self) -> str:
        return f"the key is {self._key!r} in token {self._token!r}; name the right one in at_rest.options"

    def _wrap(self, session: Any, key: bytes, context: bytes) -> bytes:
        kek = self._find(session) or self._make(session)
        nonce = self._entropy.token(NONCE_BYTES)
        sealed = kek.encrypt(key, mechanism=self._mechanism, mechanism_param=self._parameters(nonce, context))
        return msgspec.msgpack.encode(_Wrapped(kek.id, nonce, sealed))

    def _unwrap(self, session: Any, found: _Wrapped, context: bytes) -> bytes:
        kek = self._find(session)
        if kek is None:
            raise WrongKey(_WHAT, f"token {self._token!r} has no key {self._key!r}", hint=self._hint)
        if kek.id != found.key_id:
            raise WrongKey(_WHAT, "it was wrapped by another key", hint=self._hint)
        if len(found.nonce) != NONCE_BYTES:
            raise WrongKey(_WHAT, "the wrapped key was changed", hint=self._hint)
        errors = self._pkcs11.exceptions
        try:
            opened = kek.decrypt(
                found.sealed, mechanism=self._mechanism, mechanism_param=self._parameters(found.nonce, context)
            )
        except (errors.EncryptedDataInvalid, errors.EncryptedDataLenRange, errors.GeneralError) as error:
            reason = "the wrapped key was changed, or belongs to another vault"
            raise WrongKey(_WHAT, reason, hint=self._hint) from error
        return bytes(opened)

    def _find(self, session: Any) -> Any:
        p = self._pkcs11
        try:
            return session.get_key(object_class=p.ObjectClass.SECRET_KEY, label=self._key)
        except p.exceptions.NoSuchKey:
            return None
        except p.exceptions.MultipleObjectsReturned as error:
            reason = f"it has several keys {self._key!r}"
            raise Unavailable(f"token {self._token!r}", reason, hint="give the right one a label of its own") from error

    def _make(self, session: Any) -> Any:
        p = self._pkcs11
        return session.generate_key(
            p.KeyType.AES,
            _KEY_BITS,
            id=self._entropy.token(_ID_BYTES),
            label=self._key,
            store=True,
            capabilities=p.MechanismFlag.ENCRYPT | p.MechanismFlag.DECRYPT,
            template={
                p.Attribute.SENSITIVE: True,
                p.Attribute.EXTRACTABLE: False,
                p.Attribute.PRIVATE: True,
                p.Attribute.MODIFIABLE: False,
            },
        )

    @property
    def _mechanism(self) -> Any:
        return self._pkcs11.Mechanism.AES_GCM

    def _parameters(self, nonce: bytes, context: bytes) -> Any:
        return self._pkcs11.GCMParams(nonce, context, _TAG_BITS)

    def _in_session(self, work: Callable[[Any], bytes]) -> bytes:
        with _ENTER, self._explained(), self._session() as session:
            return work(session)

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        try:
            library = self._pkcs11.lib(self._module)
            # A token that was put in or taken out since is only seen after a fresh look.
            library.reinitialize()
        except (RuntimeError, OSError) as error:
            raise Unavailable(
                f"the PKCS#11 module {self._module}", str(error), hint="name the library of your HSM's vendor"
            ) from error
        token = library.get_token(token_label=self._token)
        with token.open(rw=True, user_pin=self._pin.decode("utf-8", "surrogateescape")) as session:
            yield session

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """What a token refuses, in words that say what to do."""
        errors, what = self._pkcs11.exceptions, f"token {self._token!r}"
        try:
            yield
        except (errors.PinIncorrect, errors.PinLenRange, errors.PinInvalid) as error:
            hint = "try again with care: most tokens lock after a few wrong ones"
            raise InvalidInput("pin", f"{what} refuses it", hint=hint) from error
        except errors.PinLocked as error:
            raise Unavailable(what, "it is locked after wrong PINs", hint="its security officer unlocks it") from error
        except (errors.NoSuchToken, errors.TokenNotPresent, errors.TokenNotRecognised) as error:
            raise Unavailable(
                what, "it is not there", hint=f"is it plugged in, and is {self._module} its module?"
            ) from error
        except errors.MultipleTokensReturned as error:
            raise Unavailable(what, "several have this label", hint="give one of them another") from error
        except errors.PKCS11Error as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(what, reason, hint="see that it is plugged in and does AES-GCM") from error


def pkcs11_wrapper(context: WrapperContext) -> Pkcs11Wrapper:
    """Plug-in ``pkcs11``. Options ``module`` (the vendor's library), ``token``, ``key``; the PIN is a secret."""
    context.only("module", "token", "key", "pin_file", "pin_fd")
    return Pkcs11Wrapper(
        context.option("module"),
        context.option("token"),
        context.secret("pin"),
        key=context.option("key", "phalanx-root"),
        entropy=context.entropy,
        offload=context.offload,
    )


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise Unavailable("PKCS#11", "the library is missing", hint="pip install 'phalanx[pkcs11]'") from error
    return pkcs11
