"""The command line itself: lists, exit codes, one helpful line."""

import json
import subprocess
import sys

import click
import pytest

from phalanx.cli._exits import MEANING, Exit, exit_for
from phalanx.cli._main import COMMANDS, root
from phalanx.core import InvalidInput, NotFound, Overloaded, PhalanxError, StorageFull, Unavailable


def run(*args, env=None):
    import os

    return subprocess.run(
        [sys.executable, "-m", "phalanx", *args],
        capture_output=True, text=True, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name):
    command = root.get_command(click.Context(root), name)
    assert command.get_short_help_str(limit=200) == COMMANDS[name][1]
    assert command.help, f"{name} has no help text"


def _all_commands(command, path=()):
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from _all_commands(command.get_command(context, name), (*path, name))


@pytest.mark.requirement("API-6")
def test_every_command_and_option_explains_itself():
    seen = 0
    for path, command in _all_commands(root):
        assert command.help, f"{path} has no help text"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{path} {parameter.name} has no help text"
                seen += 1
    assert seen > 40


def test_every_exit_code_is_documented():
    assert set(MEANING) == set(Exit)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("x", "is wrong"), 2),
        (Unavailable("x", "is off"), 3),
        (Overloaded("x", retry_after_s=1), 3),
        (NotFound("x", "y"), 5),
        (StorageFull("x"), 7),
        (PhalanxError("x"), 1),
    ],
)
def test_errors_become_documented_exit_codes(error, code):
    assert exit_for(error) == code


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("evnts",), 2, "did you mean events?"),
        (("up", "--prot", "1"), 2, "No such option"),
        (("up", "--set", "api.port"), 2, "not NAME=VALUE"),
        (("up", "--config", "nowhere.toml"), 2, "there is no file nowhere.toml"),
        (("events", "send", "nowhere.log"), 2, "nowhere.log"),
        (("findings", "--url", "http://127.0.0.1:9"), 3, "start one with `phalanx up`"),
        (("findings", "--url", "nonsense"), 2, "not an http address"),
        (("bench", "nothing"), 2, "one of: all, "),
        (("sim", "nothing"), 2, "there is no simulation"),
        (("sim", "ledger", "--beyond"), 2, "those have: consensus"),
    ],
)
def test_a_wrong_call_gives_one_helpful_line_and_its_code(args, code, says):
    result = run(*args)
    assert result.returncode == code
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.requirement("CON-1")
def test_seeds_of_several_processes_are_the_same_runs():
    counted = []
    for jobs in ("1", "2"):
        result = run("sim", "agents", "--seeds", "4", "--jobs", jobs, "--json")
        assert result.returncode == 0, result.stderr
        counted.append(json.loads(result.stdout))
    assert counted[0] == counted[1]
    assert counted[0]["counts"]["done"] > 50


def test_beyond_what_is_tolerated_a_simulation_must_find_a_violation_and_says_so():
    found = run("sim", "consensus", "--beyond", "--first", "5", "--seeds", "1")
    assert found.returncode == 0
    assert "honest participants decided differently" in found.stdout
    assert "repeat it: phalanx sim consensus --seed 5 --beyond" in found.stdout
    assert "1 violated an invariant, as they must" in found.stdout
    unseen = run("sim", "consensus", "--beyond", "--seed", "1")
    assert unseen.returncode == 1
    assert "the checkers saw nothing" in unseen.stdout
    survived = run("sim", "consensus", "--seeds", "20")
    assert survived.returncode == 0
    assert "decided of attempted: 100.000%" in survived.stdout
    assert "decided correctly of attempted: 100.000%" in survived.stdout
    assert "ideal in it: signatures" in survived.stdout


def test_config_show_tells_where_a_value_came_from(tmp_path):
    result = run("config", "show", "--json", "--set", "api.port=1", env={"PHALANX_AGENTS_PER_ROLE": "9"})
    rows = {row["setting"]: row for row in json.loads(result.stdout)}
    assert rows["api.port"] == {
        "setting": "api.port",
        "value": 1,
        "origin": "command line",
        "environment": "PHALANX_API_PORT",
    }
    assert rows["agents.per_role"]["origin"] == "environment"
    assert rows["api.host"]["origin"] == "default"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell):
    assert "_PHALANX_COMPLETE" in run("completion", shell).stdout


def test_completion_completes_commands():
    words = {"COMP_WORDS": "phalanx find", "COMP_CWORD": "1", "_PHALANX_COMPLETE": "bash_complete"}
    from importlib.metadata import distribution

    assert any(entry.name == "phalanx" for entry in distribution("phalanx").entry_points)
    program = "import sys; sys.argv = ['phalanx']; from phalanx.cli import main; main()"
    import os

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={**os.environ, **words}
    )
    assert "findings" in done.stdout
