"""Tables as mapped files: one contract for the folder and for memory."""

import hashlib
import stat

import pytest

from phalanx.adapters.storage import FolderShelf
from phalanx.core import InvalidInput, NotFound
from phalanx.intel.indicators import MemoryShelf


@pytest.fixture(params=["memory", "folder"])
def shelf(request, tmp_path):
    return MemoryShelf() if request.param == "memory" else FolderShelf(tmp_path / "deep" / "shelf")


def test_what_was_written_is_there_until_it_is_removed(shelf):
    assert list(shelf.names()) == []
    assert shelf.write("a-1", [b"one", b"two"]) == hashlib.sha256(b"onetwo").hexdigest()
    shelf.write("b", [])
    assert list(shelf.names()) == ["a-1", "b"]
    view = shelf.view("a-1")
    shelf.remove("a-1")
    shelf.remove("a-1")
    assert bytes(view) == b"onetwo", "a view outlives its file"
    assert bytes(shelf.view("b")) == b""
    with pytest.raises(NotFound):
        shelf.view("a-1")


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path):
    shelf = FolderShelf(tmp_path)

    def pieces():
        yield b"one"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        shelf.write("a", pieces())
    assert list(tmp_path.iterdir()) == []
    shelf.write("a", [b"one"])
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    (tmp_path / "b.new").write_bytes(b"a crash left this")
    assert list(shelf.names()) == ["a", "b"], "so that whoever keeps note of what is finished removes it"
    shelf.remove("b")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    with pytest.raises(InvalidInput):
        shelf.view("../a")
