"""The vault's root wrapped by a key in a file of its own, readable by the node's user alone.

It protects copies of the store that leave the machine without the file: a backup, a replica, a
disk of the database server. It does not protect from whoever has the whole data folder; keep
the file elsewhere for that (``path``), or use another wrapper.
"""

from pathlib import Path

from phalanx.adapters.keys._keyfile import load, load_or_create
from phalanx.core import EntropySource, NotFound, StorageCorrupt
from phalanx.crypto import KEY_BYTES
from phalanx.crypto.vault import WrapperContext, WrongKey, unwrap_under, wrap_under

DEFAULT_PATH = Path("keys/root.key")
_WHAT = "the vault's root key"


class FileWrapper:
    """A ``KeyWrapper`` whose key is the 32 bytes in ``path``."""

    name = "file"

    def __init__(self, path: Path, entropy: EntropySource) -> None:
        self._path = path
        self._entropy = entropy

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        kek = self._checked(load_or_create(self._path, lambda: self._entropy.token(KEY_BYTES)))
        return wrap_under(kek, key, context, self._entropy)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        try:
            kek = self._checked(load(self._path))
        except NotFound as error:
            raise WrongKey(_WHAT, error.message, hint=error.hint) from error
        hint = f"put the file back that belongs to this vault: {self._path}"
        return unwrap_under(kek, wrapped, context, what=_WHAT, hint=hint)

    async def close(self) -> None:
        """Nothing to give back."""

    def _checked(self, kek: bytes) -> bytes:
        if len(kek) != KEY_BYTES:
            raise StorageCorrupt(str(self._path), 0, f"it has {len(kek)} bytes, not {KEY_BYTES}")
        return kek


def file_wrapper(context: WrapperContext) -> FileWrapper:
    """Plug-in ``file``. Option ``path``: the key file, seen from the data folder."""
    context.only("path")
    return FileWrapper(context.data_dir / context.option("path", str(DEFAULT_PATH)), context.entropy)
