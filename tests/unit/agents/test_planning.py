"""From what is wanted to the skills that lead there."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.agents import NoPlan, Role, SkillManifest
from phalanx.agents._planning import needs, plan


def skill(name, takes, leaves, cost=1.0, role=Role.ANALYST):
    return SkillManifest(name, role, (), tuple(takes), tuple(leaves), cost, ())


SKILLS = [
    skill("triage", ["finding"], ["assessment"]),
    skill("expand", ["finding"], ["link"], role=Role.HUNTER),
    skill("report", ["assessment", "link"], ["report"], 2.0),
    skill("everything", ["finding"], ["report"], 9.0, role=Role.SPECIALIST),
]


@pytest.mark.requirement("AGT-3")
def test_the_cheapest_chain_is_planned_in_an_order_that_works():
    chosen = plan(SKILLS, given={"finding"}, wanted={"report"})
    assert [one.name for one in chosen] == ["expand", "triage", "report"]
    assert needs(chosen, {"finding"}) == [(), (), (0, 1)]


def test_roles_that_may_not_take_part_are_planned_around_or_miss():
    assert [one.name for one in plan(SKILLS, given={"finding"}, wanted={"report"}, roles={Role.SPECIALIST})] == [
        "everything"
    ]
    with pytest.raises(NoPlan, match="nothing here brings about report from finding"):
        plan(SKILLS, given={"finding"}, wanted={"report"}, roles={Role.ANALYST})


def test_what_is_given_needs_no_plan():
    assert plan(SKILLS, given={"finding"}, wanted={"finding"}) == []


@given(st.data())
def test_no_subset_of_the_skills_is_cheaper(data):
    kinds = "abcde"
    some = st.sets(st.sampled_from(kinds), min_size=1, max_size=2)
    skills = [
        skill(f"s{n}", sorted(data.draw(some)), sorted(data.draw(some)), data.draw(st.integers(1, 5)))
        for n in range(data.draw(st.integers(1, 6)))
    ]

    def reaches(subset):
        have, grew = {"a"}, True
        while grew:
            grew = False
            for one in subset:
                if set(one.inputs) <= have and not set(one.outputs) <= have:
                    have |= set(one.outputs)
                    grew = True
        return "e" in have

    subsets = itertools.chain.from_iterable(itertools.combinations(skills, n) for n in range(len(skills) + 1))
    least = min((sum(one.cost for one in subset) for subset in subsets if reaches(subset)), default=None)
    try:
        chosen = plan(skills, given={"a"}, wanted={"e"})
    except NoPlan:
        assert least is None
    else:
        assert sum(one.cost for one in chosen) == least
        have = {"a"}
        for one in chosen:
            assert set(one.inputs) <= have
            have |= set(one.outputs)
        for at, waits in enumerate(needs(chosen, {"a"})):
            assert all(earlier < at for earlier in waits)
