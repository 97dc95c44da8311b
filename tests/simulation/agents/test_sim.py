"""`phalanx sim agents`: seeds pass, a seed repeats itself, and each planted defect is complained of."""

import pytest

from phalanx.agents._duty import Watch
from phalanx.agents._falls import FallKind
from phalanx.agents._roster import Roster
from phalanx.testing.agents import agents_simulation


def run(seeds, sabotage=None):
    simulation = agents_simulation(sabotage=sabotage) if sabotage else agents_simulation()
    return [simulation.run(seed) for seed in seeds]


@pytest.mark.requirement("AGT-3")
@pytest.mark.requirement("AGT-6")
def test_seeds_pass_and_much_happens_in_them():
    reports = run(range(12))
    assert [report.violations for report in reports] == [()] * 12
    counts = {what: sum(report.counts.get(what, 0) for report in reports) for what in reports[0].counts}
    assert counts["done"] > 200
    assert min(counts[what] for what in ("kill", "revoke", "quarantine", "deafen", "hung", "raised")) > 3


def test_one_seed_gives_one_run():
    [one], [same], [other] = run([5]), run([5]), run([6])
    assert one.digest == same.digest != other.digest


# Each breaks one thing, and must be seen by somebody who does not know what.


def _unfenced(swarm):
    """Alone this does no harm inside one process: two things must go wrong for the fence to matter."""
    commit = swarm._book._store.commit

    async def unfenced(writes, *, expect=()):
        return await commit(writes)

    class Unfenced:
        def __getattr__(self, name):
            return getattr(store, name)

    store, swarm._book._store = swarm._book._store, Unfenced()
    swarm._book._store.commit = unfenced


def takes_late_results_without_a_fence(swarm):
    _unfenced(swarm)

    async def to_the_end(agent, claim, tasks):
        return await agent._skills[claim.mission.skill].perform(claim.mission, None)

    swarm._keeper._attempt = to_the_end


def loses_what_is_handed_over(swarm):
    async def lose(claims, taker, reason, *, again=None):
        return []

    swarm._book.hand_over = lose


def hands_over_twice_without_a_fence(swarm):
    _unfenced(swarm)
    real = swarm._book.hand_over

    async def twice(claims, taker, reason, *, again=None):
        handed = await real(claims, taker, reason, again=again)
        for claim in handed:
            # It also goes back to the queue, behind the fence's back.
            await swarm._book._store.commit([_pending(claim)])
            swarm.wake()
        return handed

    swarm._book.hand_over = twice


def _pending(claim):
    import msgspec

    from phalanx.agents import MissionStatus
    from phalanx.agents._model import mission_put

    return mission_put(msgspec.structs.replace(claim.mission, status=MissionStatus.PENDING, agent=""))


def lets_the_revoked_go_on(swarm):
    swarm.barred = lambda agent: None
    swarm._roster.admits = lambda agent: True


def seats_the_same_again(swarm):
    real = Roster.replace

    def same(place):
        place.life -= 1
        real(swarm._roster, place)

    swarm._roster.replace = same


def never_misses_anybody(swarm):
    swarm.suspected = swarm.silent = lambda *_: None


def believes_every_heartbeat(swarm):
    def believe(message):
        one = swarm._monitor._watched.get(_named(message))
        if one is not None:
            one.suspicion.heard(swarm._clock.monotonic_ns())

    swarm._monitor._hear = believe


def _named(message):
    from phalanx.agents._heartbeat import name_of

    return name_of(message)


def keeps_a_duty_twice(swarm):
    real = swarm._duties._watched

    async def and_again(post, agent, watch, work):
        if watch.term == 2:
            import asyncio

            second = Watch(
                post.manifest, agent="ghost", partition=post.partition, term=3, tools=watch.tools,
                clock=watch.clock, rng=watch.rng, log=watch.log,
            )  # fmt: skip
            ghost = asyncio.ensure_future(post.duty.keep(second))
            ghost.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await real(post, agent, watch, work)

    swarm._duties._watched = and_again


def credits_the_successor_with_a_late_result(swarm):
    """What a quarantined agent brings is taken after all."""
    real = swarm._end

    def spare(agent, kind, reason):
        if kind is FallKind.QUARANTINED:
            return True
        return real(agent, kind, reason)

    swarm._end = spare


PLANTED = [
    takes_late_results_without_a_fence,
    loses_what_is_handed_over,
    hands_over_twice_without_a_fence,
    lets_the_revoked_go_on,
    seats_the_same_again,
    never_misses_anybody,
    believes_every_heartbeat,
    keeps_a_duty_twice,
    credits_the_successor_with_a_late_result,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_defect_is_caught(plant):
    simulation = agents_simulation(sabotage=plant)
    for seed in range(30):
        try:
            report = simulation.run(seed)
        except (AssertionError, ExceptionGroup):
            # The swarm's own checks may be first.
            return
        if report.violations:
            return
    pytest.fail("nobody complained in 30 seeds")
