"""The vault's root wrapped by a key in the keyring of the operating system (extra ``keyring``).

What a keyring protects depends on its backend: a desktop's is open while its user is logged in,
and a machine without one has none. So a backend that does not give back what it was given is
refused before anything depends on it.
"""

import base64
import binascii
from typing import Any

from phalanx.core import EntropySource, Offload, Unavailable
from phalanx.crypto import KEY_BYTES
from phalanx.crypto.vault import WrapperContext, WrongKey, unwrap_under, wrap_under

_WHAT = "the vault's root key"
_SERVICE = "phalanx"


class KeyringWrapper:
    """A ``KeyWrapper`` whose key lies in a keyring under ``service`` and ``entry``.

    ``backend`` is one of the keyring library's; without it the library chooses.
    """

    name = "keyring"

    def __init__(
        self, service: str, entry: str, *, entropy: EntropySource, offload: Offload, backend: Any = None
    ) -> None:
        self._service = service
        self._entry = entry
        self._entropy = entropy
        self._offload = offload
        self._keyring = _library()
        self._backend = self._keyring.get_keyring() if backend is None else backend

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        kek = await self._offload.run(self._load_or_make)
        return wrap_under(kek, key, context, self._entropy)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        kek = await self._offload.run(self._load)
        hint = f"the keyring's entry {self._entry!r} of {self._service!r} is not the one this vault was wrapped with"
        if kek is None:
            raise WrongKey(_WHAT, f"the keyring has no entry {self._entry!r} of {self._service!r}", hint=hint)
        return unwrap_under(kek, wrapped, context, what=_WHAT, hint=hint)

    async def close(self) -> None:
        """Nothing to give back."""

    def _load_or_make(self) -> bytes:
        found = self._load()
        if found is not None:
            return found
        made = self._entropy.token(KEY_BYTES)
        self._call("set_password", self._service, self._entry, base64.b64encode(made).decode())
        if self._load() != made:
            raise self._unavailable("it does not keep what it is given")
        return made

    def _load(self) -> bytes | None:
        text = self._call("get_password", self._service, self._entry)
        if text is None:
            return None
        try:
            kek = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            kek = b""
        if len(kek) != KEY_BYTES:
            raise WrongKey(_WHAT, f"the keyring's entry {self._entry!r} is not a key", hint="it was written by hand")
        return kek

    def _call(self, method: str, *arguments: str) -> Any:
        errors = self._keyring.errors
        try:
            return getattr(self._backend, method)(*arguments)
        except errors.NoKeyringError as error:
            raise self._unavailable("there is none on this machine") from error
        except (errors.KeyringLocked, errors.InitError) as error:
            raise self._unavailable(f"it is locked ({error})") from error
        except errors.KeyringError as error:
            raise self._unavailable(str(error) or type(error).__name__) from error

    def _unavailable(self, reason: str) -> Unavailable:
        backend = f"{type(self._backend).__module__}.{type(self._backend).__name__}"
        return Unavailable(
            f"the keyring ({backend})", reason, hint="unlock it, name another `backend`, or use another wrapper"
        )


def keyring_wrapper(context: WrapperContext) -> KeyringWrapper:
    """Plug-in ``keyring``. Options: ``service``, ``entry`` (by default the data folder), ``backend`` (a class)."""
    context.only("service", "entry", "backend")
    backend = context.options.get("backend")
    if backend is not None:
        core = _library().core
        try:
            backend = core.load_keyring(backend)
        except Exception as error:
            raise Unavailable("the keyring", f"backend {backend!r} does not load: {error}") from error
    entry = context.option("entry", f"root key of {context.data_dir.resolve()}")
    return KeyringWrapper(
        context.option("service", _SERVICE), entry, entropy=context.entropy, offload=context.offload, backend=backend
    )


def _library() -> Any:
    try:
        import keyring
        import keyring.core
        import keyring.errors
    except ImportError as error:
        raise Unavailable("the keyring", "the library is missing", hint="pip install 'phalanx[keyring]'") from error
    return keyring
