"""The data folder: who may read it, and what is said when it cannot be one."""

import asyncio
import os
import stat

import pytest

from phalanx.core import InvalidInput, NotFound, StorageCorrupt
from phalanx.node import Settings, open_ports


def settings(folder):
    return Settings.model_validate({"node": {"data_dir": folder}})


def opened(folder, **how):
    async def main():
        async with open_ports(settings(folder), **how) as ports:
            return ports.signer.public.fingerprint

    return asyncio.run(main())


def test_every_folder_that_is_made_is_for_this_user_alone(tmp_path):
    old = os.umask(0o022)
    try:
        opened(tmp_path / "above" / "data")
    finally:
        os.umask(old)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "above", tmp_path / "above" / "data")] == [
        0o700
    ] * 2


def test_the_node_keeps_its_identity(tmp_path):
    assert opened(tmp_path / "data") == opened(tmp_path / "data", existing=True)


def test_looking_where_no_node_has_been_leaves_nothing_behind(tmp_path):
    for folder in (tmp_path, tmp_path / "typo"):
        with pytest.raises(NotFound, match="no node's data"):
            opened(folder, existing=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_is_a_wrong_setting(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput) as caught:
        opened(tmp_path / name)
    assert caught.value.field == "node.data_dir"


def test_a_damaged_key_is_named_by_its_file(tmp_path):
    opened(tmp_path)
    (tmp_path / "keys" / "node.key").write_bytes(b"x")
    with pytest.raises(StorageCorrupt) as caught:
        opened(tmp_path)
    assert caught.value.where == str(tmp_path / "keys" / "node.key")
