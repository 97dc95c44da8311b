"""The operating system's files, and who holds their folder."""

import asyncio
import os
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from phalanx.adapters.storage import OsFiles, lock_folder
from phalanx.core import Unavailable


def run(main):
    asyncio.run(main)


def test_append_read_truncate_remove(tmp_path):
    async def main():
        with closing(OsFiles(tmp_path)) as files:
            await files.make_folder("a/b")
            await files.append("a/b/one", b"hello ")
            await files.append_sync("a/b/one", b"world")
            await files.append_sync("a/b/two", b"")
            assert await files.list("a/b") == [".lock", "one", "two"]
            assert await files.size("a/b/one") == 11
            assert await files.read("a/b/one") == b"hello world"
            assert await files.read("a/b/one", 6) == b"world"
            assert await files.read("a/b/one", 6, 2) == b"wo"
            assert await files.read("a/b/one", 9, 100) == b"ld"
            assert await files.read("a/b/one", 100, 1) == b""
            await files.truncate("a/b/one", 5)
            assert await files.read("a/b/one") == b"hello"
            await files.remove("a/b/two")
            await files.sync_folder("a/b")
            assert await files.list("a/b") == [".lock", "one"]

    run(main())


def test_what_is_said_to_be_durable_was_synced(tmp_path, monkeypatch):
    synced = []

    def note(real):
        def call(fd):
            synced.append(Path(f"/proc/self/fd/{fd}").readlink().relative_to(tmp_path).as_posix())
            return real(fd)

        return call

    monkeypatch.setattr(os, "fdatasync", note(os.fdatasync))
    monkeypatch.setattr(os, "fsync", note(os.fsync))

    async def main():
        with closing(OsFiles(tmp_path)) as files:
            for call, expected in (
                (files.make_folder("a/b"), [".", "a"]),
                (files.append("a/b/f", b"1"), []),
                (files.append_sync("a/b/f", b"2"), ["a/b/f"]),
                (files.truncate("a/b/f", 1), ["a/b/f"]),
                (files.sync_folder("a/b"), ["a/b"]),
            ):
                await call
                assert synced == expected
                synced.clear()

    run(main())


def test_what_is_missing_is_an_os_error(tmp_path):
    async def main():
        with closing(OsFiles(tmp_path)) as files:
            for call in (files.read("no"), files.size("no"), files.truncate("no", 0), files.remove("no")):
                with pytest.raises(FileNotFoundError):
                    await call
            with pytest.raises(FileNotFoundError):
                await files.list("no")

    run(main())


def test_only_the_owner_may_read(tmp_path):
    async def main():
        with closing(OsFiles(tmp_path)) as files:
            await files.make_folder("secret")
            await files.append_sync("secret/file", b"x")

    run(main())
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secret/file").stat().st_mode) == 0o600


def test_a_folder_belongs_to_one_program(tmp_path):
    async def main():
        with closing(OsFiles(tmp_path)) as mine, closing(OsFiles(tmp_path)) as other:
            await mine.make_folder("journal")
            await mine.make_folder("journal")
            with pytest.raises(Unavailable, match=f"process {os.getpid()} is using it"):
                await other.make_folder("journal")
            await other.make_folder("another")
        with closing(OsFiles(tmp_path)) as later:
            await later.make_folder("journal")

    run(main())


def test_a_lock_ends_with_its_process_however_that_dies(tmp_path):
    code = f"""
import pathlib, sys
from phalanx.adapters.storage import lock_folder
with lock_folder(pathlib.Path({str(tmp_path)!r})):
    print("locked", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(Unavailable, match=f"process {holder.pid} is using it"), lock_folder(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with lock_folder(tmp_path):
            pass
