"""Missions to agents through the pool: what the roster and the pool must agree on."""

import pytest

from phalanx.agents import Role, SkillManifest, Toolbox, new_mission
from phalanx.agents._admission import Anybody
from phalanx.agents._book import Claim
from phalanx.agents._limits import MAILBOX_MISSIONS
from phalanx.agents._placing import Placing, by_role
from phalanx.agents._roster import Roster
from phalanx.testing import SimWorld


class Skill:
    def __init__(self, name="triage", role=Role.ANALYST, cost=1.0):
        self.manifest = SkillManifest(name, role, (), ("finding",), (), cost, ())


class Door(Anybody):
    """Admits everybody but those named."""

    barred = ()

    def admitted(self, agent, /):
        return agent not in self.barred


@pytest.fixture
def roster():
    world = SimWorld(1)
    skills = [Skill(), Skill("hunt", Role.HUNTER)]
    return Roster(
        skills, tools=Toolbox(), clock=world.clock, per_role=by_role(2), admission=Door(), at_once=2
    ), world.clock


def claim(finding, number, skill="triage"):
    import msgspec

    made = msgspec.structs.replace(finding, id=f"{finding.id[:-4]}{number:04d}")
    return Claim(new_mission(made, at_ns=1, skill=skill), 1)


def test_missions_go_to_agents_of_the_role_until_every_mailbox_is_full(roster, finding):
    seats, clock = roster
    placing = Placing(seats, clock)
    taken = []
    for number in range(2 * (1 + MAILBOX_MISSIONS)):
        given = claim(finding, number)
        agent = placing.choose(given)
        agent.give(given)
        taken.append(agent.name)
    assert sorted(taken) == ["analyst-1.1"] * 3 + ["analyst-2.1"] * 3
    assert taken[:2] == ["analyst-1.1", "analyst-2.1"]
    assert placing.choose(claim(finding, 99)) is None
    assert placing.choose(claim(finding, 98, "hunt")).role is Role.HUNTER


def test_what_is_given_back_or_ended_frees_its_place(roster, finding):
    seats, clock = roster
    placing = Placing(seats, clock)
    one, other = claim(finding, 1), claim(finding, 2)
    placing.choose(one)
    placing.choose(other)
    placing.begun(one)
    placing.ended(one, seats.places[0], ok=True)
    placing.given_back(other)
    assert not placing.pool.tickets
    assert placing.pool.state[3].sum() == 0.0


def test_an_agent_that_fell_is_followed_by_one_that_begins_slowly(roster, finding):
    seats, clock = roster
    placing = Placing(seats, clock)
    first = next(place for place in seats.places if place.name == "analyst-1")
    seats.replace(first)
    placing.seated(first)
    chosen = []
    for number in range(1, 5):
        given = claim(finding, number)
        agent = placing.choose(given)
        agent.give(given)
        chosen.append(agent.name)
    assert chosen.count("analyst-1.2") == 1


def test_a_waiting_mission_can_be_taken_back_once(roster, finding):
    seats, _ = roster
    agent = seats.places[0].agent
    given = [claim(finding, number) for number in range(3)]
    for one in given:
        agent.give(one)
    assert agent.take_back(given[1].mission.id) is given[1]
    assert agent.take_back(given[1].mission.id) is None
    assert agent.held == [given[0], given[2]]
    assert agent.empty_mailbox() == [given[0], given[2]]


def test_an_agent_that_may_not_act_is_given_nothing(roster, finding):
    seats, clock = roster
    placing = Placing(seats, clock)
    seats._admission.barred = ("analyst-1.1",)
    assert placing.choose(claim(finding, 1)).name == "analyst-2.1"
    seats._admission.barred = ("analyst-1.1", "analyst-2.1")
    assert placing.choose(claim(finding, 2)) is None


@pytest.mark.requirement("AGT-3")
def test_a_place_whose_missions_fail_is_trusted_less(roster, finding):
    seats, clock = roster
    placing = Placing(seats, clock)
    first = seats.named["analyst-1"]
    first.failed, first.done = 3, 1
    given = claim(finding, 1)
    placing.choose(given)
    placing.ended(given, first, ok=True)
    assert [placing.choose(claim(finding, number)).place for number in (2, 3)] == ["analyst-2", "analyst-1"]
