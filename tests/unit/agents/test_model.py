"""Missions as values: derived ids, indexes, and the waypoint that goes with them."""

import msgspec
import pytest

from phalanx.agents import (
    MISSIONS,
    Capability,
    InvalidSkill,
    Mission,
    MissionStatus,
    Role,
    SkillManifest,
    creation_waypoint,
    mission_writes,
    new_mission,
)
from phalanx.agents._roster import skills_by_name
from phalanx.core import Put, Waypoint, decode
from phalanx.telemetry import WAYPOINTS


def test_one_finding_and_skill_make_one_mission_whenever_it_is_written(finding):
    first = new_mission(finding, at_ns=finding.at_ns, skill="triage")
    later = new_mission(msgspec.structs.replace(finding, hits=9, at_ns=finding.at_ns + 10**12), at_ns=1, skill="triage")
    assert first.id == later.id
    assert first.id != new_mission(finding, at_ns=finding.at_ns, skill="expand").id


def test_a_mission_inherits_what_its_finding_is_about(finding):
    mission = new_mission(finding, at_ns=7, skill="triage")
    assert (mission.subject, mission.case, mission.trace) == (finding.id, finding.case, finding.trace)
    assert (mission.severity, mission.status, mission.attempts) == (finding.severity, MissionStatus.PENDING, 0)


def test_the_writes_are_the_mission_and_its_waypoint(finding):
    row, waypoint = mission_writes(finding, at_ns=7, skill="triage")
    assert isinstance(row, Put)
    assert isinstance(waypoint, Put)
    mission = decode(row.value, Mission)
    assert (row.table, row.key) == (MISSIONS, mission.id)
    assert {name: tuple(values) for name, values in row.index.items()} == {
        "status": ("pending", "pending/triage"),
        "case": (finding.case,),
    }
    assert waypoint.table == WAYPOINTS
    told = decode(waypoint.value, Waypoint)
    assert told == creation_waypoint(mission)
    assert (told.stage, told.subject, told.trace, told.at_ns) == ("mission", mission.id, finding.trace, 7)


class Named:
    def __init__(self, name: str, cost: float = 1.0) -> None:
        self.manifest = SkillManifest(name, Role.ANALYST, (Capability.INCIDENTS,), (), (), cost, ())

    async def perform(self, mission, tools):
        return ""


@pytest.mark.parametrize(
    "skills",
    [[Named("triage"), Named("triage")], [Named("")], [Named("x" * 200)], [Named("free", cost=0.0)]],
    ids=["twice the same name", "no name", "endless name", "no cost"],
)
def test_a_manifest_that_cannot_be_used_is_refused(skills):
    with pytest.raises(InvalidSkill):
        skills_by_name(skills)
