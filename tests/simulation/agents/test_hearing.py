"""Skills that can be written to: who hears what, what is answered, and what a bad envelope costs."""

import asyncio

import pytest

from phalanx.agents import InvalidSkill, Role, SkillManifest, Swarm, Toolbox
from phalanx.agents._limits import HEAR_S, MAX_UNHEARD
from phalanx.core import InvalidInput
from phalanx.messaging import Bus, DeadlinePassed, Kind, Member, tagged
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld


class Ear:
    """A skill that answers, raises or takes its time, as the body says."""

    def __init__(self, name="ear", hears=("coordination",)):
        self.manifest = SkillManifest(name, Role.HUNTER, (), ("finding",), (), 1.0, (), hears=hears)
        self.heard = []

    async def perform(self, mission, tools):
        return "nothing"

    async def hear(self, envelope, tools):
        self.heard.append(envelope.body)
        if envelope.body == b"raise":
            raise InvalidInput("body", "is not wanted")
        if envelope.body == b"slow":
            await asyncio.Event().wait()
        return b"by " + self.manifest.name.encode() if envelope.body.startswith(b"ask") else None


def run(test, *skills, agents=1):
    async def main(world):
        telemetry = Telemetry(world.clock)
        bus = Bus("here", clock=world.clock, ids=world.ids, telemetry=telemetry)
        sweeping = asyncio.create_task(bus.run())
        swarm = Swarm(
            world.store("disk"), clock=world.clock, telemetry=telemetry, rng=world.rng, toolbox=Toolbox(),
            skills=skills, agents_per_role=agents, bus=bus, entropy=world.entropy,
        )  # fmt: skip
        async with swarm:
            await world.clock.sleep(0.1)
            await test(world, swarm, bus.join(Member("asker")))
            await world.clock.sleep(1)
        sweeping.cancel()

    SimWorld(3).run(main)


@pytest.mark.requirement("AGT-7")
def test_an_envelope_to_a_skill_is_heard_by_it_alone_and_answered():
    one, other, deaf = Ear("one"), Ear("other"), Ear("deaf", hears=("alert",))

    async def check(world, swarm, box):
        assert (await box.ask(Kind.COORDINATION, tagged("skill:one"), b"ask")).body == b"by one"
        await box.send(Kind.COORDINATION, tagged("role:hunter"), b"all")
        await world.clock.sleep(0.1)
        assert (one.heard, other.heard, deaf.heard) == ([b"ask", b"all"], [b"all"], [])
        await box.send(Kind.ALERT, "*", b"fire")
        await world.clock.sleep(0.1)
        assert deaf.heard == [b"fire"]

    run(check, one, other, deaf)


def test_what_a_skill_cannot_hear_costs_nobody_a_place_and_holds_up_no_heartbeat():
    ear = Ear()

    async def check(world, swarm, box):
        before = [view.id for view in swarm.roster()]
        for body in (b"raise", b"slow"):
            await box.send(Kind.COORDINATION, tagged("skill:ear"), body)
        late = world.clock.wall_ns() + int(3 * HEAR_S * 1e9)
        assert (await box.ask(Kind.COORDINATION, tagged("skill:ear"), b"ask", deadline_ns=late)).body == b"by ear"
        with pytest.raises(DeadlinePassed):
            await box.ask(
                Kind.COORDINATION, tagged("skill:ear"), b"say nothing", deadline_ns=world.clock.wall_ns() + 10**9
            )
        await world.clock.sleep(20)
        assert [view.id for view in swarm.roster()] == before
        assert all(one.responsive for one in swarm.last_heard().values())

    run(check, ear)


def test_more_than_can_be_heard_is_let_go():
    ear = Ear()

    async def check(world, swarm, box):
        await box.send(Kind.COORDINATION, tagged("skill:ear"), b"slow")
        for _ in range(2 * MAX_UNHEARD):
            await box.send(Kind.COORDINATION, tagged("skill:ear"), b"more")
        await world.clock.sleep(2 * HEAR_S)
        assert len(ear.heard) == 1 + MAX_UNHEARD

    run(check, ear)


@pytest.mark.parametrize(
    ("skill", "says"),
    [
        (Ear(hears=("gossip",)), "nothing is heard by gossip"),
        (type("Mute", (), {"manifest": Ear().manifest, "perform": Ear.perform})(), "no coroutine function `hear`"),
    ],
)
def test_a_skill_that_cannot_hear_what_it_says_is_refused(skill, says):
    async def check(world, swarm, box):
        """Never gets here."""

    with pytest.raises(InvalidSkill, match=says):
        run(check, skill)
