"""Nodes that stand in for each other: seeds pass, a seed repeats itself, and each planted defect is complained of."""

from collections import Counter

import pytest

from phalanx.agents._succession_words import Verdict, Where
from phalanx.testing.agents import succession_simulation


def run(seeds, sabotage=None):
    simulation = succession_simulation(sabotage=sabotage) if sabotage else succession_simulation()
    return [simulation.run(seed) for seed in seeds]


@pytest.mark.requirement("AGT-3")
@pytest.mark.requirement("AGT-6")
def test_seeds_pass_and_missions_are_taken_over_in_them():
    reports = run(range(16))
    assert [report.violations for report in reports] == [()] * 16
    counts = sum((Counter(report.counts) for report in reports), Counter())
    assert counts["taken over"] >= 5
    assert min(counts[what] for what in ("crash", "cut", "partition", "heal")) > 10


def test_one_seed_gives_one_run():
    [one], [same], [other] = run([5]), run([5]), run([6])
    assert one.digest == same.digest != other.digest


# Each breaks one of the rules that keep a mission from being done twice or from getting lost.


def ends_without_asking_anybody(succession):
    """No fence: who comes back goes on with what it had, and records it."""

    async def settle(mission, version):
        return ()

    succession.bequests.settle = settle
    succession.bequests.may_begin = lambda mission: True


def rules_for_both(succession):
    """An umpire that tells either that the other one is out."""

    async def grant(owner, heir, term):
        return Verdict.GRANTED

    async def void(owner, heir, term):
        return Verdict.VOIDED

    succession._umpire.grant, succession._umpire.void = grant, void


def takes_without_asking(succession):
    """An heir that goes by its own ears."""

    async def ruled(owner, umpire, term):
        return Verdict.GRANTED

    succession.heir._ruled = ruled


def gives_up_what_it_took(succession):
    """An heir that says yes to every release, whatever it has taken."""
    real = succession.heir._released

    async def released(owner, tenant, mission, writes, fates):
        change = await real(owner, tenant, mission, writes, fates)
        if fates[-1].where is Where.TAKEN:
            fates[-1] = type(fates[-1])(mission, Where.GONE)
        return change

    succession.heir._released = released


def never_takes_over(succession):
    async def look_around():
        return None

    succession.heir.look_around = look_around


@pytest.mark.requirement("AGT-6")
@pytest.mark.parametrize(
    ("sabotage", "complaint"),
    [
        (ends_without_asking_anybody, "a mission was done twice"),
        (rules_for_both, "a mission was done twice"),
        (takes_without_asking, "a mission was done twice"),
        (gives_up_what_it_took, "a mission was done twice"),
        (never_takes_over, "a mission does not come to an end"),
    ],
)
def test_a_planted_defect_is_complained_of(sabotage, complaint):
    for seed in range(60):
        [report] = run([seed], sabotage)
        if any(complaint in violation for violation in report.violations):
            return
    pytest.fail(f"nobody complained of {sabotage.__name__}")
