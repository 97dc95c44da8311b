"""What people mistype to `phalanx allocate|reservations|budgets|batches` is told to them, and no traceback is."""

import pytest
from click.testing import CliRunner

from phalanx.cli._main import root

CIRCUIT = "OPENQASM 3.0; qubit[1] q; bit[1] c; c = measure q;"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("reservations book d=x --for 60", "'d=x' is no RESOURCE"),
        ("reservations book d= --for 60", "'d=' is no RESOURCE"),
        ("reservations book d=0 --for 60", "'d=0' is no RESOURCE"),
        ("reservations book =2 --for 60", "'=2' is no RESOURCE"),
        ("reservations book d d=2 --for 60", "d is there twice"),
        ("reservations book d --for nan", "no finite number"),
        ("reservations book d --for inf", "no finite number"),
        ("reservations book d --for 60 --within 10", "do not end within 10 s"),
        ("reservations book d --for 60 --in 60 --within 100", "do not end within 100 s"),
        ("budgets set a nan jobs", "no finite number"),
        ("budgets price d --per-shot inf", "no finite number"),
        ("allocate explain - --results hardware", "--results is for --on-node"),
        ("allocate explain - --within nan", "no finite number"),
        ("allocate route - --worth nan", "no finite number"),
        ("manager place - --fidelity nan", "no finite number"),
        ("manager place - --hold 1", "15<=x<=3600"),
        ("batches route x --expect nan -- solve", "no finite number"),
        ("batches route x --expect 5 --env FOO -- solve", "'FOO' is no NAME=VALUE"),
    ],
)
def test_a_wrong_argument_is_named(words, told):
    ended = CliRunner().invoke(root, words.split(), input=CIRCUIT)
    assert ended.exit_code == 2, ended.output
    assert told in ended.output
