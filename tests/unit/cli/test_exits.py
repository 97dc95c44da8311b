"""How a command ends: the code it asked for, and one line for whatever went wrong."""

import sys
from io import BytesIO

import click
import pytest

from phalanx.cli._events import chunks
from phalanx.cli._exits import Exit, exit_for, run_guarded
from phalanx.cli._serve import stop_or_hurry
from phalanx.core import MAX_CHUNK_EVENTS, InvalidInput, StorageFull
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
    content = b"x\n" * (2 * MAX_CHUNK_EVENTS + 1) + b"y" * 3_000_000 + b"\nlast"
    cut = list(chunks(BytesIO(content)))
    assert b"".join(cut) == content
    assert [chunk.count(b"\n") for chunk in cut[:2]] == [MAX_CHUNK_EVENTS] * 2
    assert max(map(len, cut)) < 4_000_000


def test_a_line_that_fits_no_request_is_refused_after_what_came_before_it():
    cut = chunks(BytesIO(b"first\n" + b"x" * 7_000_000))
    assert next(cut) == b"first\n"
    with pytest.raises(InvalidInput, match="line 2 is longer"):
        next(cut)
