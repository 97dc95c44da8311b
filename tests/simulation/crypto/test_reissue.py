"""Signing again as a job: it can be stopped, survives a crash, and lists what it cannot help."""

import asyncio

import pytest

from phalanx.crypto import ED25519, ML_DSA_44, CryptoPolicy, SigningKey
from phalanx.crypto.identity import KeyRequest, ReissueState, Subject, Use
from phalanx.testing import SimWorld

pytestmark = pytest.mark.requirement("CRY-2")

N_PEOPLE = 70


async def with_people(site, n=N_PEOPLE, algorithm=ED25519):
    identities = await site.open()
    for number in range(n):
        subject = Subject.parse(f"person:acme/p{number:03}")
        await identities.issue(KeyRequest.make(subject, SigningKey.generate(algorithm)), actor="tester")
    await identities.rotate(identities.root.subject, actor="tester")
    return identities


async def until(clock, job, state):
    while (await job.status()).state is not state:
        await clock.sleep(0.01)
    return await job.status()


def test_it_says_how_far_it_is_and_ends_with_everything_under_the_present_key(site):
    async def scenario(site):
        identities = await with_people(site)
        job = identities.reissue
        assert (await job.status()).state is ReissueState.IDLE
        running = asyncio.ensure_future(job.run())
        begun = await job.start(actor="kim")
        assert (begun.state, begun.actor) == (ReissueState.RUNNING, "kim")
        seen = set()
        while (status := await job.status()).state is ReissueState.RUNNING:
            seen.add((status.done, status.total))
            await asyncio.sleep(0)
        assert {total for _, total in seen if total} == {N_PEOPLE + 1}
        assert len(seen) >= 3
        assert (status.state, status.done, status.total) == (ReissueState.DONE, N_PEOPLE + 1, N_PEOPLE + 1)
        for number in (0, N_PEOPLE - 1):
            chain = await identities.chain(f"person:acme/p{number:03}")
            assert chain.certificates[1].key_fingerprint == identities.root.fingerprint
            await identities.verify(chain, use=Use.SIGN)
        assert [action for action in site.ledger.actions() if "reissue-" in action] == [
            "identity.reissue-started", "identity.reissue-finished",
        ]  # fmt: skip
        assert {entry.actor for entry in site.ledger.kept if "reissue" in entry.action} == {"kim"}
        running.cancel()

    site(scenario)


def test_it_stops_after_what_it_has_in_hand_and_goes_on_when_it_is_started_again(site):
    async def scenario(site):
        identities = await with_people(site)
        job = identities.reissue
        running = asyncio.ensure_future(job.run())
        await job.start(actor="kim")
        while (await job.status()).done < 20:
            await site.world.clock.sleep(0)
        assert (await job.stop(actor="ada")).state is ReissueState.STOPPED
        await site.world.clock.sleep(10)
        stopped = await job.status()
        assert stopped.state is ReissueState.STOPPED
        assert 20 < stopped.done < N_PEOPLE
        running.cancel()
        again = (await site.open()).reissue
        running = asyncio.ensure_future(again.run())
        await site.world.clock.sleep(10)
        assert (await again.status()).state is ReissueState.STOPPED, "nobody asked for more"
        await again.start(actor="kim")
        done = await until(site.world.clock, again, ReissueState.DONE)
        assert done.done == done.total == N_PEOPLE + 1
        running.cancel()

    site(scenario)


@pytest.mark.parametrize("steps", [60, 150, 300])
def test_a_crash_in_the_middle_is_taken_up_by_the_next_start(another_site, steps):
    async def main(world):
        site = another_site(world)
        await with_people(site)

        async def life(_):
            site.boot()
            identities = await site.open()
            await identities.reissue.start(actor="kim")
            await identities.reissue.run()

        machine = world.node("disk-acme-hq")
        machine.start(life)
        for _ in range(steps):
            await asyncio.sleep(0)
        await machine.crash()
        site.boot()
        identities = await site.open()
        job = identities.reissue
        running = asyncio.ensure_future(job.run())
        if (await job.status()).state is ReissueState.IDLE:
            await job.start(actor="kim")  # the power went before it was asked for
        done = await until(world.clock, job, ReissueState.DONE)
        assert done.done == done.total == N_PEOPLE + 1
        running.cancel()

    SimWorld(steps).run(main)


def test_what_rests_on_a_forbidden_algorithm_is_listed_and_does_not_stop_the_rest(site):
    async def scenario(site):
        await with_people(site, 2, ED25519)
        strict = await site.open(algorithm=ML_DSA_44, policy=CryptoPolicy(frozenset({ED25519})))
        listed = await strict.reissue.forbidden()
        assert [(one.subject, one.own_key) for one in listed] == [
            ("organisation:acme", True), ("node:acme/hq", True),
            ("person:acme/p000", True), ("person:acme/p001", True),
        ]  # fmt: skip
        await strict.upkeep.renew()
        other = Subject.parse("person:acme/new")
        await strict.issue(KeyRequest.make(other, SigningKey.generate(ML_DSA_44)), actor="tester")
        running = asyncio.ensure_future(strict.reissue.run())
        await strict.reissue.start(actor="kim")
        done = await until(site.world.clock, strict.reissue, ReissueState.DONE)
        assert (done.done, done.total) == (2, 4)
        assert [one.subject for one in await strict.reissue.forbidden()] == ["person:acme/p000", "person:acme/p001"]
        assert {one.algorithm for one in await strict.reissue.forbidden()} == {ED25519}
        running.cancel()

    site(scenario)
