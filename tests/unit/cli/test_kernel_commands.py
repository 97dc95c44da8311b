"""`phalanx kernels`, and what commands that need kernels say."""

import json

import pytest
from click.testing import CliRunner

from phalanx.adapters import processes
from phalanx.cli._kernels import ensure_kernels, kernels
from phalanx.cli.node._doctor import doctor


@pytest.fixture
def missing(monkeypatch):
    """What is missing; compiling takes it off the list."""
    left = ["balancing", "votes"]

    def compile_kernels(groups, told):
        for at, group in enumerate(list(groups), 1):
            told(group, at, len(groups))
            left.remove(group)

    monkeypatch.setattr(
        processes, "missing_kernels", lambda groups=("balancing", "votes"): [g for g in left if g in groups]
    )
    monkeypatch.setattr(processes, "compile_kernels", compile_kernels)
    return left


def run(*arguments):
    return CliRunner().invoke(kernels, arguments, catch_exceptions=False)


def test_what_is_missing_is_shown_and_compiled_with_progress(missing):
    assert run("show").output.count("no: `phalanx kernels compile`") == 2
    compiled = run("compile")
    assert compiled.output.splitlines() == [
        "compiling kernels, once on this machine, half a minute of a processor:",
        "  1/2 balancing",
        "  2/2 votes",
    ]
    assert {row["compiled"] for row in json.loads(run("show", "--json").output)} == {True}
    assert run("compile").output == "everything is compiled already\n"
    assert json.loads(run("compile", "--json").output) == {"compiled": []}


def test_a_command_compiles_its_own_group_only(missing, capsys):
    assert ensure_kernels(("balancing",)) == ["balancing"]
    assert missing == ["votes"]
    told = capsys.readouterr()
    assert told.out == ""
    assert "once on this machine" in told.err


def test_the_doctor_says_what_to_do(missing):
    checks = json.loads(CliRunner().invoke(doctor, ["--json"]).output)
    check = next(one for one in checks if one["name"] == "kernels")
    assert (check["ok"], check["needed"], check["fix"]) == (False, False, "phalanx kernels compile")
    missing.clear()
    checks = json.loads(CliRunner().invoke(doctor, ["--json"]).output)
    assert next(one for one in checks if one["name"] == "kernels")["ok"]
