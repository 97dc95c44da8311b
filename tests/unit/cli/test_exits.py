"""How a command ends: the code it asked for, and one line for whatever went wrong."""

import errno
import gzip
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import click
import pytest

from phalanx.cli._exits import Exit, exit_for, run_guarded
from phalanx.cli.node._serve import stop_or_hurry
from phalanx.core import MAX_CHUNK_EVENTS, InvalidInput, StorageFull
from phalanx.intel import BadLine
from phalanx.intel.reading import file_chunks
from phalanx.ledger import InvalidCheckpoint, InvalidProof


def code_of(callback):
    with pytest.raises(SystemExit) as stop:
        run_guarded(click.Command("it", callback=callback))
    return stop.value.code


@pytest.fixture(autouse=True)
def _arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["it"])


def _raise(error):
    raise error


@pytest.mark.parametrize("code", [Exit.OK, Exit.FAILED, Exit.NOT_VERIFIED])
def test_the_code_that_a_command_exits_with_reaches_the_shell(code):
    assert code_of(lambda: click.get_current_context().exit(code)) == code


def test_a_command_that_returns_is_done():
    assert code_of(lambda: None) == Exit.OK


def test_an_error_out_of_tasks_that_ran_together_is_one_line(capsys):
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [StorageFull("the disk")])])
    assert code_of(lambda: _raise(group)) == Exit.STORAGE
    assert capsys.readouterr().err.startswith("phalanx: no space left for the disk")


def test_a_defect_among_them_is_not_hidden():
    group = ExceptionGroup("tasks", [StorageFull("the disk"), ZeroDivisionError()])
    with pytest.raises(ExceptionGroup):
        run_guarded(click.Command("it", callback=lambda: _raise(group)))


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, Exit.STORAGE), (errno.EIO, Exit.STORAGE), (errno.EROFS, Exit.STORAGE), (errno.EACCES, Exit.USAGE)],
)
def test_what_the_operating_system_refuses_is_one_line(number, code, capsys):
    assert code_of(lambda: _raise(OSError(number, os.strerror(number), "here.log"))) == code
    assert capsys.readouterr().err == f"phalanx: here.log: {os.strerror(number)}\n"


@pytest.mark.parametrize("command", [["--version"], ["keys", "algorithms", "--help"]])
def test_output_that_does_not_fit_is_an_error_and_no_traceback(command):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "phalanx", *command], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (Exit.STORAGE, "phalanx: No space left on device\n")


def test_a_reader_that_leaves_early_is_no_error_to_read_of():
    command = f"{sys.executable} -m phalanx doctor --help | head -c 1 >/dev/null"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_a_message_cannot_drive_the_terminal(capsys):
    code_of(lambda: _raise(InvalidInput("x", "\x1b]0;owned\x07\u009b2J")))
    error = capsys.readouterr().err
    assert "\\x1b]0;owned\\x07\\x9b2J" in error
    assert not {"\x1b", "\x07", "\u009b"} & set(error)


@pytest.mark.parametrize("error", [InvalidProof("x"), InvalidCheckpoint("x")])
def test_what_does_not_verify_has_its_own_code(error):
    assert exit_for(error) is Exit.NOT_VERIFIED


def test_the_first_signal_stops_and_the_second_ends_the_draining():
    class Listener:
        should_exit = False

    class Task:
        cancelled = 0

        def cancel(self):
            self.cancelled += 1

    listener, main = Listener(), Task()
    stop_or_hurry(listener, main)
    assert (listener.should_exit, main.cancelled) == (True, 0)
    stop_or_hurry(listener, main)
    assert main.cancelled == 1


def test_a_file_is_cut_at_lines_and_at_what_a_request_may_carry():
    content = b"x\n" * (2 * MAX_CHUNK_EVENTS + 1) + (b"y" * 200_000 + b"\n") * 20 + b"last"
    cut = list(file_chunks(BytesIO(content), "-", "auto"))
    assert b"".join(chunk for chunk, _ in cut) == content + b"\n"
    assert [chunk.count(b"\n") for chunk, _ in cut[:2]] == [MAX_CHUNK_EVENTS] * 2
    assert max(len(chunk) for chunk, _ in cut) < 2_000_000
    assert {how for _, how in cut} == {"auto"}


def test_a_line_that_no_event_may_have_is_told_of_and_the_next_is_sent():
    ((chunk, _),) = file_chunks(BytesIO(b"first\n" + b"x" * 7_000_000 + b"\nlast"), "-", "auto")
    first, told, last = chunk.splitlines()
    assert (first, last) == (b"first", b"last")
    assert told.startswith(b"phalanx unread: 7000000 bytes, longer than")


def test_the_lines_before_the_damage_of_a_file_are_given_out_and_then_it_is_told():
    packed = gzip.compress(b"".join(b"line %d\n" % n for n in range(5_000)))
    cut, chunks = [], file_chunks(BytesIO(packed[: len(packed) // 2]), "x.log.gz", "auto")
    with pytest.raises(BadLine, match="damaged: it ends too early"):
        cut.extend(chunks)
    lines = b"".join(chunk for chunk, _ in cut).splitlines()
    assert 1_000 < len(lines) < 5_000
    assert lines[:-1] == [b"line %d" % n for n in range(len(lines) - 1)]


def test_a_zeek_log_says_with_each_chunk_how_it_is_read():
    header = b"#separator \\x09\n#path\tdns\n#fields\tts\tuid\tquery\n#types\ttime\tstring\tstring\n"
    cut = list(file_chunks(BytesIO(header + b"1772440140.5\tC1\texample.com\n" * 50_000), "-", "auto"))
    assert len(cut) > 2
    assert {how for _, how in cut} == {"zeek-tsv;dns;x09;2c;28656d70747929;2d;ts:time,uid:string,query:string"}
