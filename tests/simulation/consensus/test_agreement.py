"""Agreement under every fault at once, and the same with one rule broken: the checkers must see it."""

import importlib.util
import sys
from pathlib import Path

import pytest

from phalanx.testing.consensus import (
    HABITS,
    MISHAPS,
    NETWORK_FAULTS,
    SCHEDULES,
    consensus_simulation,
    draw,
    run_plan,
    shrink,
    twins_simulation,
)

_file = Path(__file__).with_name("planted.py")
_spec = importlib.util.spec_from_file_location("planted", _file)
planted = importlib.util.module_from_spec(_spec)
sys.modules["planted"] = planted
_spec.loader.exec_module(planted)


@pytest.mark.requirement("CON-1", "CON-3")
@pytest.mark.parametrize(("n", "seeds"), [(4, 400), (7, 200), (31, 40), (100, 6), (847, 2)])
def test_no_two_honest_participants_ever_differ_and_all_decide(n, seeds):
    simulation = consensus_simulation(n=n)
    attempted = decided = 0
    for seed in range(seeds):
        report = simulation.run(seed)
        assert not report.violations, (seed, report.violations)
        attempted += report.counts.get("attempted", 0)
        decided += report.counts.get("decided correctly", 0)
    assert attempted
    assert decided == attempted


def test_one_seed_is_one_run():
    simulation = consensus_simulation()
    assert simulation.run(11).digest == simulation.run(11).digest
    assert simulation.run(11).digest != simulation.run(12).digest


def test_with_one_traitor_too_many_the_checker_finds_two_decisions():
    simulation = consensus_simulation(n=4, extra=1)
    found = [report for report in map(simulation.run, range(30)) if report.violations]
    assert len(found) >= 3
    assert any("decided differently" in text for report in found for text in report.violations)


@pytest.mark.parametrize("fault", [*NETWORK_FAULTS, *HABITS, *MISHAPS])
def test_each_fault_by_itself_is_survived(fault):
    simulation = consensus_simulation(n=4, faults=frozenset({fault}))
    for seed in range(25):
        assert not simulation.run(seed).violations


def test_every_fault_comes_up():
    plans = [draw(seed, 7) for seed in range(300)]
    assert {habit for plan in plans for _, habits in plan.habits for habit in habits} == set(HABITS)
    for name in (
        "drop",
        "duplicate",
        "reorder",
        "delay",
        "whisper",
        "hush",
        "cuts",
        "crashes",
        "skews",
        "late",
        "left_out",
    ):
        assert any(getattr(plan, name) for plan in plans), name


# Each planted bug, how many take part, and within how many seeds the simulation sees it.
CAUGHT_WITHIN = {
    planted.VotesForEveryProposal: (7, 200),
    planted.CommitsInLeftViews: (4, 50),
    planted.PreparesInLeftViews: (4, 100),
    planted.ConcealsItsCertificate: (4, 50),
    planted.ForgetsItsCertificate: (4, 100),
    planted.FallsBack: (7, 400),
    planted.SpeaksBeforeSaving: (4, 50),
    planted.HasNoOpinion: (4, 100),
    planted.TakesPreparedForDecided: (4, 20),
    planted.KeepsItToItself: (4, 20),
    planted.NeverGivesUpAView: (4, 20),
    planted.TellsEverybody: (31, 60),
    planted.IgnoresTheCertificate: (7, 50),
    planted.IgnoresTheClaims: (7, 50),
    planted.TakesAnEarlierCertificate: (7, 100),
    planted.NeedsNoJustification: (7, 50),
    planted.TakesTooFewTimeouts: (7, 50),
    planted.TakesOldTimeouts: (7, 150),
    planted.TakesUnsignedTimeouts: (7, 800),
    planted.CountsOneVoterTwice: (4, 50),
    planted.BelievesCertificates: (4, 50),
    planted.RemembersByName: (4, 50),
    planted.TwoThirdsAreEnough: (4, 20),
    planted.QuorumOfThosePresent: (7, 50),
}


@pytest.mark.parametrize("bug", [*planted.MACHINES, *planted.CHECKS])
def test_a_planted_bug_is_caught(bug):
    n, seeds = CAUGHT_WITHIN[bug]
    broken = {"machine": bug} if bug in planted.MACHINES else {"checks": bug}
    assert any(run_plan(draw(seed, n), **broken).checker.violations for seed in range(seeds)), f"{bug} goes unseen"


def test_a_failing_plan_is_shrunk_to_what_it_needs():
    broken = {"machine": planted.SpeaksBeforeSaving}

    def fails(plan):
        return bool(run_plan(plan, **broken).checker.violations)

    plan = next(plan for plan in (draw(seed, 4) for seed in range(100)) if fails(plan))
    small = shrink(plan, fails)
    assert fails(small)
    assert len(small.crashes) == 1
    assert not any(fails(lighter) for lighter in small.lighter())


@pytest.mark.requirement("CON-3")
def test_a_doubled_identity_bends_nothing_however_the_network_is_split():
    simulation = twins_simulation()
    decided = 0
    for number in range(0, SCHEDULES, 499):
        report = simulation.run(number)
        assert not report.violations, (number, report.violations)
        decided += report.counts.get("decided", 0)
    assert decided > 1_000


@pytest.mark.parametrize(
    "bug", [planted.ConcealsItsCertificate, planted.TakesPreparedForDecided, planted.TwoThirdsAreEnough]
)
def test_splitting_around_twins_finds_planted_bugs(bug):
    broken = {"machine": bug} if bug in planted.MACHINES else {"checks": bug}
    simulation = twins_simulation(**broken)
    assert any(simulation.run(number).violations for number in range(0, 101 * 100, 101))
