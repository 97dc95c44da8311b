"""How a story is laid out."""

from phalanx.core import DEFAULT_TENANT, Waypoint, derive_id
from phalanx.dashboard._story import Chapter, Story


def chapter(number, stage):
    point = Waypoint(
        id=derive_id(number, "point", str(number)), tenant=DEFAULT_TENANT, trace="", at_ns=number, room="agents",
        stage=stage, subject="", summary="", detail={},
    )  # fmt: skip
    return Chapter(point, 0, "done", (), {})


def test_orders_that_follow_one_another_are_together_and_nothing_else_is():
    stages = ["finding", "mission", "mission", "assigned", "step", "step", "mission"]
    chapters = [chapter(number, stage) for number, stage in enumerate(stages)]
    story = Story("", chapters, [], 0, [], None, [], [])
    stretches = [[one.waypoint.stage for one in stretch] for stretch in story.stretches]
    assert stretches == [["finding"], ["mission", "mission", "assigned"], ["step"], ["step"], ["mission"]]
