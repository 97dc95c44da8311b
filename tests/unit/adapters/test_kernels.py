"""Compiling kernels in a child process, and knowing that they are there."""

import asyncio
import os

import pytest

from phalanx.adapters.processes import KERNELS, KernelProcess, _kernels, compile_kernels, missing_kernels
from phalanx.adapters.processes._kernels import kernel_mark
from phalanx.core import Unavailable, kernel_folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Marks in a folder of the test's own, and a child that only says what it was asked for."""
    monkeypatch.setattr(_kernels, "kernel_folder", lambda: tmp_path)
    asked = []

    def command(groups, *, gently):
        asked.append((groups, gently))
        script = "".join(f"echo {at} {len(groups)} kernels of {group};" for at, group in enumerate(groups, 1))
        script += "".join(f"touch '{kernel_mark(group)}';" for group in groups)
        return ["/bin/sh", "-c", script]

    monkeypatch.setattr(_kernels, "_command", command)
    return asked


def test_what_is_missing_is_compiled_once_and_told_piece_by_piece(elsewhere):
    told = []
    assert missing_kernels() == list(KERNELS)
    compile_kernels(["votes"], lambda *piece: told.append(piece))
    assert told == [("kernels of votes", 1, 1)]
    assert missing_kernels() == [name for name in KERNELS if name != "votes"]
    compile_kernels(["votes"], lambda *piece: told.append(piece))
    asyncio.run(KernelProcess().compile("votes", "mapping", "simulators"))
    asyncio.run(KernelProcess().compile("simulators"))
    assert elsewhere == [(["votes"], False), (["mapping", "simulators"], True)]


def test_another_source_is_not_compiled_yet(elsewhere, tmp_path, monkeypatch):
    sources = tmp_path / "phalanx" / "consensus" / "votes"
    sources.mkdir(parents=True)
    (sources / "_kernels.py").write_text("one = 1\n")
    monkeypatch.setattr(_kernels.phalanx, "__file__", str(tmp_path / "phalanx" / "__init__.py"))
    kernel_mark("votes").touch()
    assert "votes" not in missing_kernels()
    (sources / "_kernels.py").write_text("one = 12\n")
    assert "votes" in missing_kernels()


def test_a_child_that_fails_is_told_and_one_that_is_not_waited_for_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(_kernels, "kernel_folder", lambda: tmp_path)
    failing = ["/bin/sh", "-c", "echo no room >&2; exit 3"]
    monkeypatch.setattr(_kernels, "_command", lambda groups, *, gently: failing)
    with pytest.raises(Unavailable, match="no room"):
        asyncio.run(KernelProcess().compile("votes"))
    with pytest.raises(Unavailable, match="status 3"):
        compile_kernels(KERNELS, lambda *piece: None)
    monkeypatch.setattr(_kernels, "_command", lambda groups, *, gently: [str(tmp_path / "nothing")])
    with pytest.raises(Unavailable, match="cannot be started"):
        asyncio.run(KernelProcess().compile("votes"))
    told = tmp_path / "told"
    os.mkfifo(told)
    waiting = ["/bin/sh", "-c", f"echo $$ > '{told}'; exec sleep 600"]
    monkeypatch.setattr(_kernels, "_command", lambda groups, *, gently: waiting)

    async def leave():
        compiling = asyncio.create_task(KernelProcess().compile("votes"))
        pid = int(await asyncio.to_thread(told.read_text))
        compiling.cancel()
        await asyncio.gather(compiling, return_exceptions=True)
        return pid

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(leave()), 0)


def test_where_nothing_can_be_kept_nothing_is_compiled_ahead(monkeypatch):
    monkeypatch.setattr(_kernels, "kernel_folder", lambda: None)
    assert missing_kernels() == list(KERNELS)
    with pytest.raises(Unavailable, match="no folder"):
        asyncio.run(KernelProcess().compile("votes"))


@pytest.mark.slow
def test_the_real_child_leaves_every_kernel_where_this_process_finds_it():
    told = []
    compile_kernels(KERNELS, lambda *piece: told.append(piece))
    assert missing_kernels() == []
    assert kernel_mark("votes").parent == kernel_folder()
    assert all(number <= count for _, number, count in told)
