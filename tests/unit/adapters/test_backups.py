"""Copies of a data folder: of one moment, whole or not there, and told from what was changed."""

import asyncio
import contextlib
import errno
import os
import shutil
import sqlite3

import pytest

from phalanx.adapters import OsEntropy, ThreadOffload
from phalanx.adapters.backups import (
    DATA,
    MARK,
    STATE,
    BackupRefused,
    Manifest,
    NoRoom,
    SqliteMoment,
    Taking,
    _copying,
    check_backup,
    put_back,
    read_backup,
    sign_manifest,
)
from phalanx.adapters.storage import OsFiles, SegmentJournals, SqliteStore
from phalanx.core import DEFAULT_TENANT, InvalidInput, NotFound, Put, StorageCorrupt, StorageError, Table, Unavailable
from phalanx.crypto import HybridSigner

SIGNER = HybridSigner.generate()
TABLE = Table("things")
SEGMENT_BYTES = 4_096


def quiet(what, done, total):
    """Nobody looks."""


@contextlib.asynccontextmanager
async def journals(folder):
    with contextlib.closing(OsFiles(folder)) as files, contextlib.closing(ThreadOffload(1)) as offload:
        opened = SegmentJournals(files, "journals", entropy=OsEntropy(), offload=offload, segment_bytes=SEGMENT_BYTES)
        yield opened
        await opened.close()


async def _fill(folder):
    store = await SqliteStore.open(folder / STATE)
    await store.commit([Put(TABLE, DEFAULT_TENANT, f"row-{n:03}", bytes(200)) for n in range(200)])
    async with journals(folder) as opened:
        journal = await opened.open("intake")
        for n in range(100):
            await journal.append([b"%04d" % n * 50])
    await store.close()


@pytest.fixture
def folder(tmp_path):
    """A node's folder as a stopped node leaves it."""
    made = tmp_path / "data"
    asyncio.run(_fill(made))
    for name in ("archive/one", "archive/two", "artefacts/three"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_bytes(os.urandom(5_000))
    (made / "keys").mkdir()
    (made / "keys/node.key").write_bytes(SIGNER.to_bytes())
    (made / "kernels").mkdir()
    (made / "kernels/compiled.nbi").write_bytes(b"made anew")
    return made


def take(folder, to, progress=quiet, *, previous=None, meanwhile=None):
    moment = SqliteMoment(folder / STATE)
    before = None if previous is None else (previous, read_backup(previous))
    with contextlib.closing(moment):
        taking = Taking(folder, to, moment, progress, previous=before)
        if meanwhile is not None:
            held = moment.held

            @contextlib.contextmanager
            def and_more():
                meanwhile()
                with held():
                    yield

            moment.held = and_more
        with taking.begun():
            files = [*taking.take(f"{DATA}/{STATE}"), taking.hashed(f"{DATA}/{STATE}")]
            manifest = Manifest(
                id="b", taken_at_ns=1, node="n", fingerprint=SIGNER.public.fingerprint, program="0", machine="m",
                data_dir=str(folder), store="embedded", ledger_size=0, checkpoint="", root_key="", files=tuple(files),
            )  # fmt: skip
            taking.finish(files, *sign_manifest(manifest, SIGNER))
    return read_backup(to)


def contents(folder):
    """Every file but those that belong to a running process, and the rows as they read."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and not path.name.startswith(STATE)
    }
    with contextlib.closing(sqlite3.connect(folder / STATE)) as db:
        rows = db.execute("SELECT tbl, tenant, key, version, value FROM rows ORDER BY key").fetchall()
    return {name: data for name, data in found.items() if "kernels" not in name and name != MARK}, rows


def test_a_copy_that_was_put_back_is_what_it_was_copied_from(folder, tmp_path):
    signed = take(folder, tmp_path / "backup")
    check_backup(tmp_path / "backup", signed, quiet)
    put_back(tmp_path / "backup", signed, tmp_path / "again", b"note", quiet)
    assert contents(tmp_path / "again") == contents(folder)
    assert (tmp_path / "again" / MARK).read_bytes() == b"note"
    for made in ("backup", "again"):
        assert {path.stat().st_mode & 0o077 for path in (tmp_path / made).rglob("*")} == {0}


def test_what_comes_and_goes_meanwhile_is_as_the_rows_of_that_moment_have_it(folder, tmp_path):
    """A file is removed once no row names it, and another one came: both rows and files are of the moment."""

    def meanwhile():
        (folder / "archive/merged").write_bytes(b"one and two")
        (folder / "artefacts/three.draft").write_bytes(b"in its place")
        (folder / "artefacts/three.draft").rename(folder / "artefacts/three")
        for gone in ("one", "two"):
            (folder / "archive" / gone).unlink()
        with contextlib.closing(sqlite3.connect(folder / STATE)) as db:
            db.execute("UPDATE rows SET value = x'01'")
            db.commit()

    signed = take(folder, tmp_path / "backup", meanwhile=meanwhile)
    put_back(tmp_path / "backup", signed, tmp_path / "again", b"", quiet)
    files, rows = contents(tmp_path / "again")
    assert files["archive/merged"] == b"one and two"
    assert files["artefacts/three"] == b"in its place"
    assert not {"archive/one", "archive/two"} & files.keys()
    assert {value for *_, value in rows} == {b"\x01"}


def test_nobody_commits_while_the_moment_begins(folder):
    def commits():
        with contextlib.closing(sqlite3.connect(folder / STATE, timeout=0)) as db:
            db.execute("UPDATE rows SET value = x'02'")
            db.commit()

    with contextlib.closing(SqliteMoment(folder / STATE)) as moment:
        with moment.held(), pytest.raises(sqlite3.OperationalError, match="locked"):
            commits()
        commits()


def test_what_is_committed_after_the_moment_is_not_in_the_copy(folder, tmp_path):
    """The copy of the rows takes many steps; a writer between two of them changes nothing of it."""
    wrote = []

    def progress(what, done, total):
        if what == "rows":
            with contextlib.closing(sqlite3.connect(folder / STATE)) as db:
                db.execute("UPDATE rows SET value = ?", (b"%d" % len(wrote),))
                db.commit()
            (folder / "archive/one").unlink(missing_ok=True)
            wrote.append(done)

    before = contents(folder)
    signed = take(folder, tmp_path / "backup", progress)
    assert wrote
    put_back(tmp_path / "backup", signed, tmp_path / "again", b"", quiet)
    assert contents(tmp_path / "again") == before


def test_a_frame_that_is_being_written_is_left_out_and_a_damaged_one_refused(folder, tmp_path):
    tail = max((folder / "journals/intake").glob("*.segment"))
    sound = tail.read_bytes()
    tail.write_bytes(sound + sound[28:60])
    signed = take(folder, tmp_path / "backup")
    name = f"journals/intake/{tail.name}"
    assert (tmp_path / "backup" / DATA / name).read_bytes() == sound
    check_backup(tmp_path / "backup", signed, quiet)

    tail.write_bytes(sound[:40] + bytes(8) + sound[48:])
    with pytest.raises(StorageCorrupt):
        take(folder, tmp_path / "another")
    assert not (tmp_path / "another").exists()


def test_rows_that_are_damaged_are_not_copied_as_if_they_were_sound(folder, tmp_path):
    state = folder / STATE
    data = bytearray(state.read_bytes())
    data[4096 * 3 : 4096 * 3 + 64] = os.urandom(64)
    state.write_bytes(data)
    with pytest.raises(StorageError):
        take(folder, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


class Interrupted(Exception):
    """Like a kill: nothing is cleaned up that a killed process would not have."""


def test_what_was_interrupted_looks_like_no_backup_and_is_gone_on_with(folder, tmp_path):
    to = tmp_path / "backup"
    seen = []
    take(folder, tmp_path / "whole", lambda what, *_: seen.append(what))
    for step in range(len(seen)):
        count = iter(range(len(seen) + 100))

        def progress(what, done, total, count=count, step=step):
            if next(count) == step:
                raise Interrupted

        with pytest.raises(Interrupted):
            take(folder, to, progress)
        assert not to.exists()
        with pytest.raises(NotFound) as caught:
            read_backup(to)
        assert "create" in caught.value.hint
    part = to.with_name("backup.part")
    inode = (part / DATA / "archive/one").stat().st_ino
    check_backup(to, take(folder, to), quiet)
    assert (to / DATA / "archive/one").stat().st_ino == inode, "what is there already is not copied again"
    assert not part.exists()


def test_what_a_previous_backup_has_is_linked_unless_it_was_changed_there(folder, tmp_path):
    first = tmp_path / "first"
    take(folder, first)
    rotten = first / DATA / "archive/two"
    times = rotten.stat()
    rotten.write_bytes(bytes(5_000))
    os.utime(rotten, ns=(times.st_atime_ns, times.st_mtime_ns))
    (folder / "archive/new").write_bytes(b"new")
    signed = take(folder, tmp_path / "second", previous=first)
    check_backup(tmp_path / "second", signed, quiet)
    linked = {
        path for path in ("one", "two", "new") if (tmp_path / "second" / DATA / "archive" / path).stat().st_nlink > 1
    }
    assert linked == {"one"}


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda at: (at / DATA / "archive/one").write_bytes(b"x"), "archive/one has 1 bytes"),
        (lambda at: _flip(at / DATA / "archive/one"), "archive/one was changed"),
        (lambda at: _flip(at / DATA / STATE), f"{STATE} was changed"),
        (lambda at: (at / DATA / "archive/one").unlink(), "archive/one is in its list, and not in it"),
        (lambda at: (at / DATA / "archive/more").write_bytes(b""), "archive/more is in it, and not in its list"),
        (lambda at: _flip(at / "manifest.json"), "manifest.json"),
        (lambda at: _edit(at / "manifest.json", b'"node": "n"', b'"node": "m"'), "does not hold"),
        (lambda at: _edit(at / "manifest.json", b"data/archive/one", b"data/../../../one"), "no path below it"),
        (lambda at: _edit(at / "manifest.json", b'"version": 1', b'"version": 9'), "use a newer one"),
        (lambda at: (at / "manifest.sig").write_bytes(b"{}"), "does not hold"),
        (lambda at: _sign_anew(at, HybridSigner.generate()), "not signed by the key in data/keys/node.key"),
    ],
)  # fmt: skip
def test_a_backup_that_is_not_what_was_taken_is_refused_before_anything_is_written(folder, tmp_path, harm, said):
    at = tmp_path / "backup"
    take(folder, at)
    harm(at)
    with pytest.raises(BackupRefused, match=said):
        check_backup(at, read_backup(at), quiet)


def test_a_file_that_changes_after_it_was_checked_is_noticed_while_it_is_put_back(folder, tmp_path):
    at = tmp_path / "backup"
    signed = take(folder, at)
    _flip(at / DATA / "archive/one")
    with pytest.raises(BackupRefused, match="while it was put back"):
        put_back(at, signed, tmp_path / "again", b"", quiet)
    assert not (tmp_path / "again").exists()


def test_what_was_noted_when_it_was_made_can_be_asked_for(folder, tmp_path):
    at = tmp_path / "backup"
    signed = take(folder, at)
    fingerprint = SIGNER.public.fingerprint
    assert read_backup(at, fingerprint=fingerprint.upper(), digest=signed.digest).manifest == signed.manifest
    for pinned in ({"fingerprint": "00" * 32}, {"digest": "00" * 32}):
        with pytest.raises(BackupRefused):
            read_backup(at, **pinned)


def test_nothing_is_overwritten_unless_it_is_moved_aside(folder, tmp_path):
    at, to = tmp_path / "backup", tmp_path / "there"
    signed = take(folder, at)
    with pytest.raises(InvalidInput, match="already"):
        take(folder, at)
    with pytest.raises(InvalidInput, match="data folder itself"):
        take(folder, folder / "backup")
    to.mkdir()
    put_back(at, signed, to, b"", quiet)
    before = contents(to)
    with pytest.raises(InvalidInput) as caught:
        put_back(at, signed, to, b"", quiet)
    assert "--replace" in caught.value.hint
    assert contents(to) == before
    put_back(at, signed, to, b"", quiet, aside=tmp_path / "aside")
    assert contents(tmp_path / "aside") == contents(to) == before


def test_a_folder_in_use_is_not_moved_aside(folder, tmp_path):
    from phalanx.adapters.storage import lock_folder

    at = tmp_path / "backup"
    signed = take(folder, at)
    with lock_folder(folder), pytest.raises(Unavailable, match="is using it"):
        put_back(at, signed, folder, b"", quiet, aside=tmp_path / "aside")
    assert not (tmp_path / "aside").exists()


def test_what_does_not_fit_is_not_begun(folder, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    signed = take(folder, tmp_path / "backup")
    monkeypatch.setattr(_copying.shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(NoRoom, match=r"1 MiB free: .* and 64 MiB must stay free"):
        take(folder, tmp_path / "another")
    with pytest.raises(NoRoom):
        put_back(tmp_path / "backup", signed, tmp_path / "again", b"", quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]


def test_a_disk_that_fills_up_leaves_no_backup_and_says_what_to_do(folder, tmp_path, monkeypatch):
    real, room = os.write, [20_000]

    def write(handle, data):
        room[0] -= len(data)
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data)

    monkeypatch.setattr(_copying.os, "write", write)
    with pytest.raises(StorageError) as caught:
        take(folder, tmp_path / "backup")
    assert "goes on there" in caught.value.hint
    assert not (tmp_path / "backup").exists()
    room[0] = 1 << 30
    check_backup(tmp_path / "backup", take(folder, tmp_path / "backup"), quiet)


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _edit(path, before, after):
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after))


def _sign_anew(at, signer):
    import msgspec

    manifest = msgspec.structs.replace(read_backup(at).manifest, fingerprint=signer.public.fingerprint)
    data, signature = sign_manifest(manifest, signer)
    (at / "manifest.json").write_bytes(data)
    (at / "manifest.sig").write_bytes(signature)
