"""What every skill and every duty must do, ours and anybody's.

A check of a skill is an async function of four arguments: the world, the skill, a mission for it, and a coroutine
function that puts what both need into an empty store and fills a toolbox over it. A check of a duty gets the world, the
duty and such a function. Run each check in a world of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable

from phalanx.agents import (
    HEARABLE,
    Duty,
    Listener,
    Mission,
    Restart,
    Skill,
    Toolbox,
    Watch,
    duties_by_name,
    skills_by_name,
)
from phalanx.core import NS_PER_S, PhalanxError
from phalanx.messaging import Envelope, Kind, Marking, tagged
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.testing._store import SimStore
from phalanx.testing._world import SimWorld

Tools = Callable[[SimStore], Awaitable[Toolbox]]
SkillCheck = Callable[[SimWorld, Skill, Mission, Tools], Awaitable[None]]
DutyCheck = Callable[[SimWorld, Duty, Tools], Awaitable[None]]

# How often a duty is cut off, and after how long at first.
_CUTS = 6
_FIRST_CUT_S = 0.01
_ENDS_WITHIN_S = 5.0


async def check_skill_says_what_it_is(world: SimWorld, skill: Skill, mission: Mission, tools: Tools) -> None:  # noqa: ARG001
    assert skills_by_name([skill]) == {skill.manifest.name: skill}
    assert mission.skill == skill.manifest.name, "the mission is for this skill"
    assert len(set(skill.manifest.permissions)) == len(skill.manifest.permissions)


async def check_skill_brings_one_line(world: SimWorld, skill: Skill, mission: Mission, tools: Tools) -> None:
    line = await skill.perform(mission, (await tools(world.store("disk"))).limited(skill.manifest))
    assert isinstance(line, str), "what came of it, in words"
    assert line.strip(), "what came of it, in words"
    assert "\n" not in line, "one line"


async def check_skill_repeated_leaves_the_same(world: SimWorld, skill: Skill, mission: Mission, tools: Tools) -> None:
    """Whatever it writes has ids that follow from the mission: a repeated attempt finds its own work."""
    store = world.store("disk")
    toolbox = (await tools(store)).limited(skill.manifest)
    await skill.perform(mission, toolbox)
    once = _rows(store)
    await skill.perform(mission, toolbox)
    assert _rows(store) == once, "a second attempt left other rows than the first"


async def check_skill_yields_to_cancellation(world: SimWorld, skill: Skill, mission: Mission, tools: Tools) -> None:
    """Cut off at any moment it ends, and an attempt after that comes to its end as if nothing had been."""
    toolbox = (await tools(world.store("disk"))).limited(skill.manifest)
    for cut in range(_CUTS):
        work = asyncio.create_task(_performed(skill, mission, toolbox))
        for _ in range(3**cut):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait((work,), timeout=_ENDS_WITHIN_S)
        assert work.done(), f"it did not end within {_ENDS_WITHIN_S:g} s of being cancelled"
        if not work.cancelled():
            work.result()
    assert await skill.perform(mission, toolbox)


async def check_skill_hears_anything(world: SimWorld, skill: Skill, mission: Mission, tools: Tools) -> None:
    """Where it can be written to: whatever a body says, it answers with bytes or nothing, or refuses as told."""
    if not isinstance(skill, Listener) or not skill.manifest.hears:
        return
    store = world.store("disk")
    toolbox = (await tools(store)).limited(skill.manifest)
    for kind in skill.manifest.hears:
        for body in (b"", b"\xff" * 64, b"{}", b"[1, 2", mission.subject.encode()):
            envelope = _envelope(HEARABLE[kind], body, skill, mission, world)
            try:
                answer = await skill.hear(envelope, toolbox)
            except PhalanxError:
                continue
            assert answer is None or isinstance(answer, bytes), "an answer is bytes"
            once = _rows(store)
            assert await skill.hear(envelope, toolbox) == answer, "the same envelope has the same answer"
            assert _rows(store) == once, "the same envelope again left other rows"


def _envelope(kind: Kind, body: bytes, skill: Skill, mission: Mission, world: SimWorld) -> Envelope:
    now_ns = world.clock.wall_ns()
    return Envelope(
        v=1, kind=kind, origin="elsewhere", number=1, sender="elsewhere/stranger",
        to=(tagged(f"skill:{skill.manifest.name}"),), body=body, at_ns=now_ns, deadline_ns=now_ns + NS_PER_S,
        tenant=mission.tenant, marking=Marking.GREEN,
    )  # fmt: skip


SKILL_CHECKS: tuple[SkillCheck, ...] = (
    check_skill_hears_anything,
    check_skill_says_what_it_is,
    check_skill_brings_one_line,
    check_skill_repeated_leaves_the_same,
    check_skill_yields_to_cancellation,
)


async def check_duty_says_what_it_is(world: SimWorld, duty: Duty, tools: Tools) -> None:  # noqa: ARG001
    assert duties_by_name([duty]) == {duty.manifest.name: duty}
    assert len(set(duty.manifest.permissions)) == len(duty.manifest.permissions)


async def check_duty_shows_that_it_lives(world: SimWorld, duty: Duty, tools: Tools) -> None:
    """It keeps on, and is never silent for longer than its manifest allows."""
    watch, work = _begun(world, duty, await tools(world.store("disk")))
    for _ in range(20):
        await world.clock.sleep(duty.manifest.silence_s / 4)
        assert not work.done() or duty.manifest.restart is Restart.ON_FAILURE, "it returned, and is not done for good"
        assert work.done() or watch.hangs_in_s() > 0, f"it was silent for {watch.silent_for_s():g} s"
    await _ended(work)


async def check_duty_yields_to_cancellation(world: SimWorld, duty: Duty, tools: Tools) -> None:
    """Cut off at any moment it ends, and its successor begins without anything of it but what is durable."""
    toolbox = await tools(world.store("disk"))
    pause_s = _FIRST_CUT_S
    for term in range(1, _CUTS + 1):
        watch, work = _begun(world, duty, toolbox, term=term)
        await world.clock.sleep(pause_s)
        pause_s *= 4
        watch.ended = True
        await _ended(work)


async def check_duty_keeps_every_partition(world: SimWorld, duty: Duty, tools: Tools) -> None:
    """All partitions at once, beside each other."""
    toolbox = await tools(world.store("disk"))
    begun = [_begun(world, duty, toolbox, partition=number) for number in range(duty.manifest.partitions)]
    await world.clock.sleep(duty.manifest.silence_s)
    for watch, work in begun:
        assert work.done() or watch.hangs_in_s() > 0, f"partition {watch.partition} hangs"
        await _ended(work)


DUTY_CHECKS: tuple[DutyCheck, ...] = (
    check_duty_says_what_it_is,
    check_duty_shows_that_it_lives,
    check_duty_yields_to_cancellation,
    check_duty_keeps_every_partition,
)


def _begun(
    world: SimWorld, duty: Duty, tools: Toolbox, *, term: int = 1, partition: int = 0
) -> tuple[Watch, "asyncio.Task[None]"]:
    watch = Watch(
        duty.manifest, agent=f"{duty.manifest.role.value}-1.{term}", partition=partition, term=term,
        tools=tools.limited(duty.manifest), clock=world.clock, rng=world.rng.child("watch"),
        log=Telemetry(world.clock).log,
    )  # fmt: skip
    return watch, asyncio.create_task(_keep(duty, watch))


async def _keep(duty: Duty, watch: Watch) -> None:
    await duty.keep(watch)


async def _ended(work: "asyncio.Task[None]") -> None:
    """Cancel it, and see it end. What it had raised by itself is raised here."""
    failed = work.done() and not work.cancelled() and work.exception() is not None
    work.cancel()
    await asyncio.wait((work,), timeout=_ENDS_WITHIN_S)
    assert work.done(), f"it did not end within {_ENDS_WITHIN_S:g} s of being cancelled"
    if failed:
        work.result()


async def _performed(skill: Skill, mission: Mission, tools: Toolbox) -> str:
    return await skill.perform(mission, tools)


def _rows(store: SimStore) -> set[tuple[str, str, str]]:
    """Tables, tenants and keys of what lies in the store; waypoints tell of moments, and each moment is another."""
    return {row for row in store.all_keys() if row[0] != WAYPOINTS.name}
