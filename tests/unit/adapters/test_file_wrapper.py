import asyncio
import stat

import pytest

from phalanx.adapters import OsEntropy
from phalanx.adapters.keys import FileWrapper
from phalanx.core import StorageCorrupt, StorageError
from phalanx.crypto.vault import WrongKey

pytestmark = pytest.mark.requirement("CRY-2")

KEY = bytes(32)


def wrapped_in(path):
    return asyncio.run(FileWrapper(path, OsEntropy()).wrap(KEY, b"root"))


def unwrap(path, wrapped):
    return asyncio.run(FileWrapper(path, OsEntropy()).unwrap(wrapped, b"root"))


def test_the_file_is_for_this_user_alone(tmp_path):
    wrapped_in(tmp_path / "keys" / "root.key")
    assert stat.S_IMODE((tmp_path / "keys" / "root.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_unwrapping_never_makes_a_key(tmp_path):
    path = tmp_path / "root.key"
    wrapped = wrapped_in(path)
    path.unlink()
    with pytest.raises(WrongKey, match="there is no key file") as refused:
        unwrap(path, wrapped)
    assert "restore it" in refused.value.hint
    assert not path.exists()


def test_a_file_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "root.key"
    wrapped = wrapped_in(path)
    path.chmod(0o640)
    with pytest.raises(StorageError, match="others may read") as refused:
        unwrap(path, wrapped)
    assert f"chmod 600 {path}" in refused.value.hint


def test_a_file_that_is_cut_short_is_named(tmp_path):
    path = tmp_path / "root.key"
    wrapped = wrapped_in(path)
    path.write_bytes(b"short")
    with pytest.raises(StorageCorrupt) as refused:
        unwrap(path, wrapped)
    assert refused.value.where == str(path)
