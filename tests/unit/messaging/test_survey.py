"""A cluster that measures itself: every way is found, as long as it is, and who does not answer is named."""

import contextlib

import msgspec
import pytest

from phalanx.core import InvalidInput, Rng, Unavailable
from phalanx.messaging import Bus, ClearPeers, drawn, graphs_over, measured, running, surveyed, surveyed_places
from phalanx.messaging._limits import SURVEY_KEPT_S
from phalanx.messaging._survey import Surveyor
from phalanx.telemetry import Telemetry
from phalanx.testing import NetworkFaults, SimWorld


def survey_of(world, names, *, slow=(), cut=(), unmet=(), within_s=5.0):
    """What ``names[0]`` finds: ``slow`` are (here, there, ms one way), ``cut`` processes that hear nothing."""

    async def main(world):
        async with contextlib.AsyncExitStack() as stack:
            buses = []
            for name in names:
                peers = ClearPeers([world.transport(name)])
                bus = await Bus.open(
                    name, journal=await world.journals(name).open("outbox"), peers=peers, clock=world.clock,
                    ids=world.ids, telemetry=Telemetry(world.clock), rng=Rng(len(buses)), organisation="acme",
                )  # fmt: skip
                stack.push_async_callback(peers.close)
                buses.append(bus)
            for bus in buses:
                for name in names:
                    if name != bus.process and {name, bus.process} not in [set(one) for one in unmet]:
                        bus.meet(name)
            for here, there, ms in slow:
                for one, other in ((here, there), (there, here)):
                    faults = NetworkFaults(delay_min_ms=ms, delay_mean_ms=0.001)
                    world.network.set_faults(faults, source=one, target=other)
            for bus in buses:
                if bus.process not in cut:
                    await stack.enter_async_context(running(bus))
            await world.clock.sleep(1.0)
            return await surveyed(buses[0], within_s)

    return world.run(main)


def trip(survey, here, there):
    return next((way.round_trip_ms for way in survey.ways if {way.here, way.there} == {here, there}), None)


@pytest.mark.requirement("MSG-6")
def test_every_way_is_measured_also_between_others():
    found = survey_of(SimWorld(3), ["a", "b", "c", "d"], slow=[("b", "c", 40.0), ("a", "d", 7.0)])
    assert [one.process for one in found.processes if one.answered] == ["a", "b", "c", "d"]
    assert len(found.ways) == 6
    assert trip(found, "b", "c") == pytest.approx(80.0, rel=0.05)
    assert trip(found, "a", "d") == pytest.approx(14.0, rel=0.05)
    assert trip(found, "a", "b") < 10.0


@pytest.mark.requirement("MSG-6")
def test_the_graphs_of_a_cluster_follow_from_its_ways():
    names = [f"p{j}" for j in range(6)]
    far = [(one, other, 30.0) for one in names[:3] for other in names[3:]]
    places = surveyed_places(survey_of(SimWorld(4), names, slow=far))
    assert places.latency_ms("p0", "p5") == pytest.approx(30.0, rel=0.05)
    graphs = graphs_over(places, (3,))
    # Of the tree one link goes the long way, and no more.
    crossing = [(one, other) for one in names[:3] for other in graphs["tree"][one] if other in names[3:]]
    assert len(crossing) <= 3
    report = measured(places, graphs, Rng(1), silent_share=0.34, trials=4, seed=1)
    assert report.measured
    by_name = {one.graph: one for one in report.graphs}
    assert by_name["mesh"].coverage_least == 1.0
    assert 30.0 <= by_name["mesh"].path_ms_p99 < 35.0
    picture = drawn(places, graphs, report)
    assert "simulated" not in picture
    assert ">p0</text>" in picture
    # Near ones are near in the picture.
    (x, _), (near, _), (away, _) = (places.at[name] for name in ("p0", "p1", "p5"))
    assert abs(x - near) < abs(x - away)


@pytest.mark.requirement("MSG-6")
def test_who_does_not_answer_is_named_and_left_out():
    found = survey_of(SimWorld(5), ["a", "b", "c"], cut=["c"])
    assert [(one.process, one.answered) for one in found.processes] == [("a", True), ("b", True), ("c", False)]
    assert sorted(surveyed_places(found).at) == ["a", "b"]
    with pytest.raises(Unavailable, match="nobody but the node itself"):
        surveyed_places(survey_of(SimWorld(5), ["a", "c"], cut=["c"]))


def test_a_way_that_nobody_measured_is_the_shortest_by_others():
    found = survey_of(SimWorld(6), ["a", "b", "c"], slow=[("a", "b", 10.0), ("a", "c", 5.0)], unmet=[("b", "c")])
    assert trip(found, "b", "c") is None
    assert surveyed_places(found).latency_ms("b", "c") == pytest.approx(15.0, rel=0.1)


def test_what_was_measured_a_moment_ago_is_not_measured_again_whoever_asks():
    async def main(world):
        echoes = []

        def say(process, kind, body):
            word = msgspec.msgpack.decode(body)
            if word[0] == "echo":
                echoes.append(process)
                surveyor.hear(process, msgspec.msgpack.encode(["echoed", word[1]]))

        surveyor = Surveyor("a", world.clock, say, lambda: ("b",))
        await surveyor.ask(str, 0.5)
        first = len(echoes)
        await surveyor.ask(str, 0.5)
        assert len(echoes) == first > 0
        await world.clock.sleep(SURVEY_KEPT_S)
        await surveyor.ask(str, 0.5)
        assert len(echoes) == 2 * first

    SimWorld(7).run(main)


def test_a_node_alone_has_nothing_to_measure():
    async def main(world):
        bus = Bus("a", clock=world.clock, ids=world.ids, telemetry=Telemetry(world.clock))
        with pytest.raises(Unavailable):
            await surveyed(bus, 1.0)
        with pytest.raises(InvalidInput):
            await surveyed(bus, 0)

    SimWorld(1).run(main)


def test_words_that_are_none_are_refused():
    world = SimWorld(1)
    said = []
    surveyor = Surveyor("a", world.clock, lambda *word: said.append(word), lambda: ("b",))
    with pytest.raises(msgspec.DecodeError):
        surveyor.hear("b", b"\x93\x01\x02\x03")
    surveyor.hear("b", msgspec.msgpack.encode(["echoed", 99]))  # never asked
    surveyor.hear("b", msgspec.msgpack.encode(["answer", 99, {"c": 1.0}]))
    assert not said
    surveyor.hear("b", msgspec.msgpack.encode(["echo", 5]))
    assert len(said) == 1
