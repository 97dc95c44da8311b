"""Private keys in files: whole or not at all, for one user, never two under one name."""

import asyncio

import pytest

from phalanx.adapters import KeyFolder
from phalanx.core import InvalidInput, StorageCorrupt
from phalanx.testing import InlineOffload


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys" / "identity"


def test_a_key_is_kept_for_this_user_alone(folder):
    async def main():
        keys = KeyFolder(folder, InlineOffload())
        assert await keys.load("ab12") is None
        await keys.save("ab12", b"secret")
        await keys.save("ab12", b"secret")
        assert await keys.load("ab12") == b"secret"
        with pytest.raises(InvalidInput, match="another key"):
            await keys.save("ab12", b"other")
        assert (folder / "ab12.key").stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "ab12.key").chmod(0o640)
        with pytest.raises(StorageCorrupt, match="others may read"):
            await keys.load("ab12")
        await keys.erase("ab12")
        await keys.erase("ab12")
        assert list(folder.iterdir()) == []

    asyncio.run(main())


@pytest.mark.parametrize("name", ["", "../node", "a/b", ".hidden", "x" * 200])
def test_a_name_stays_in_the_folder(folder, name):
    with pytest.raises(InvalidInput):
        asyncio.run(KeyFolder(folder, InlineOffload()).load(name))
