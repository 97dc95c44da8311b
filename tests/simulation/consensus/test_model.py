"""The model of the safety core, explored exhaustively; and the checker sees a rule that is missing."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("model", ROOT / "scripts/check_consensus_model.py")
checked = importlib.util.module_from_spec(_spec)
sys.modules["model"] = checked
_spec.loader.exec_module(checked)


@pytest.mark.requirement("CON-5")
def test_every_state_of_two_views_keeps_agreement():
    assert checked.Model(traitors=1, quorum=3, views=2).explore() == (31_481, "", [])


@pytest.mark.requirement("CON-5")
@pytest.mark.parametrize("broken", ["justification", "claim", "view", "twice"])
def test_without_one_rule_the_model_fails(broken):
    _, problem, trace = checked.Model(traitors=1, quorum=3, views=2, broken=broken).explore()
    assert problem
    assert 2 < len(trace) < 20


@pytest.mark.requirement("CON-5")
def test_with_one_traitor_too_many_the_model_fails():
    _, problem, _ = checked.Model(traitors=2, quorum=3, views=2).explore()
    assert problem


def test_the_model_and_its_numbers_are_those_in_the_documents():
    config = (ROOT / "docs/model/Agreement.cfg").read_text()
    assert "Q = 3" in config
    assert "F = 1" in config
    told = (ROOT / "docs/explanation/consensus.md").read_text()
    assert "31,481" in told
    assert "24,413,387" in told
