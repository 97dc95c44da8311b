"""What was learned from runs: kept, found again after a restart, tried only where that is safe, judged before use."""

import numpy as np
import pytest

from phalanx.allocation import (
    EXPERIENCE,
    Experience,
    Learner,
    Placements,
    PolicyContext,
    Seen,
    Trials,
    built_in_policies,
    valued,
    worth_of,
)
from phalanx.allocation._experience import refused
from phalanx.core import DEFAULT_TENANT, NO_TRACE, InvalidInput, Origin, Provenance, Rng, decode
from phalanx.devices import (
    Fleet,
    Jobs,
    JobWishes,
    ShotResult,
)
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, job_ended, line_of_three, run_with_store, running_jobs

GHZ = Gates(3).h(0).cx(0, 1).cx(1, 2).measure(0, 1, 2).circuit()
SHOTS = 4_000


class Machine:
    """A machine of which ``good`` shots in one are as they should be, whatever its calibration says."""

    def __init__(self, name, error, good):
        self.good = good
        self.device = line_of_three(f"x.{name}", error, max_shots=10_000)

    async def run(self, circuit, /, *, shots, seed):
        good = int(self.good * shots)
        counts = {"000": good // 2, "111": good - good // 2, "010": shots - good}
        came_from = Provenance(
            origin=Origin.HARDWARE, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({key: n for key, n in counts.items() if n}, came_from)


def opened(world, store, machines, *, share=0.3, book=None, policy="learned"):
    fleet, learner = Fleet(machines), Learner()
    policies = built_in_policies(PolicyContext(), learner)
    trials = Trials(
        store, world.clock, world.offload, world.rng.child("trials"), learner, policies, share=share,
        audit=book or MemoryAudit(),
    )  # fmt: skip
    placements = Placements(fleet, world.clock, world.offload, policies, policy=policy, trials=trials)
    jobs = Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock), placements)
    return jobs, placements, learner


async def placed(world, jobs, n, **wishes):
    found = []
    for _ in range(n):
        job = await jobs.submit(DEFAULT_TENANT, GHZ, shots=SHOTS, wishes=JobWishes(**wishes))
        await job_ended(world, jobs, job)
        found.append(job.device)
    return found


def machines():
    # The first is the better one by its calibration, the second by what it does.
    return [Machine("a", 0.004, 0.90), Machine("b", 0.008, 0.97), Machine("far", 0.2, 0.6)]


@pytest.mark.requirement("LRN-1", "LRN-2")
def test_it_comes_to_prefer_what_does_better_and_never_tries_what_is_far_worse():
    async def main(world, store):
        jobs, placements, learner = opened(world, store, machines())
        async with running_jobs(jobs):
            before = await placed(world, jobs, 1)
            early = await placed(world, jobs, 40)
            late = await placed(world, jobs, 30)
            urgent = await placed(world, jobs, 20, emergency=True)
            due = await placed(world, jobs, 20, deadline_at_ns=world.clock.wall_ns() + 10**15)
        assert before == ["x.a"], "by its calibration"
        assert "x.b" in early, "the other was tried"
        assert late.count("x.b") > 20, "and turned out better"
        assert "x.far" not in early + late
        assert set(urgent) == set(due) == {"x.b"}, "nothing is tried with what is urgent"
        assert learner.n == 111
        rows = await placements.trials.experiences()
        assert {row.chance for row in rows[-40:]} == {1.0}
        assert all(0.0 < row.chance <= 1.0 for row in rows)
        assert rows[0].picks["composite"] in {"x.a", "x.b", "x.far"}

    run_with_store(main)


@pytest.mark.requirement("LRN-1")
def test_a_restart_has_learned_what_was_kept():
    async def main(world, store):
        first, _, learned = opened(world, store, machines())
        async with running_jobs(first):
            await placed(world, first, 30)
        _, placements, again = opened(world, store, machines())
        assert await placements.trials.recall() == ""
        seen = Seen(device="x.b", circuit="c", success=0.9, n_two=2, width=3, age_days=0.0, run_s=1.0, wait_s=0.0)
        assert again.n == learned.n == 30
        assert again.outlook(seen).fidelity.mean == pytest.approx(learned.outlook(seen).fidelity.mean, abs=1e-9)

    run_with_store(main)


@pytest.mark.requirement("LRN-2")
def test_a_policy_is_judged_before_it_is_used_and_the_ledger_says_who_used_it():
    async def main(world, store):
        book = MemoryAudit()
        jobs, placements, _ = opened(world, store, machines(), book=book, policy="success_probability")
        with pytest.raises(InvalidInput, match="no decision has an outcome"):
            await placements.trials.promote("learned", by="me", reason="hope")
        async with running_jobs(jobs):
            await placed(world, jobs, 60)
            with pytest.raises(InvalidInput, match="may be a loss"):
                await placements.trials.promote("least_busy", by="me", reason="hope")
            judged = {one.policy: one for one in await placements.trials.evaluated()}
            assert judged["learned"].worth > judged["success_probability"].worth
            assert judged["learned"].gain_low <= judged["learned"].gain <= judged["learned"].gain_high
            made = await placements.trials.promote("learned", by="me", reason="it is better")
            assert [(entry.subject, entry.body["by"]) for entry in book.entries] == [("learned", "me")]
            placements.use(made.policy)
            assert (await placed(world, jobs, 10)).count("x.b") >= 6
        _, again, _ = opened(world, store, machines())
        assert await again.trials.recall() == "learned"

    run_with_store(main)


def experience(pick, *, chance=0.5, fidelity=0.9, device="x.a"):
    seen = Seen(device=device, circuit="c", success=0.9, n_two=2, width=3, age_days=0.0, run_s=1.0, wait_s=0.0)
    return Experience(
        id="1", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=1, policy="p", seen=seen, chance=chance,
        picks={"p": device, "q": pick}, expected={"x.a": 0.8, "x.b": 0.7}, fidelity=fidelity, wait_s=0.0, run_s=1.0,
    )  # fmt: skip


def test_what_may_lose_is_refused():
    rows = [experience("x.b", fidelity=0.9 - 0.001 * at) for at in range(60)]
    found = valued(rows, "q", Rng(1))
    assert (found.n, found.matched) == (60, 0)
    assert found.worth == pytest.approx(0.7)
    assert "fewer than" in refused(found)
    mixed = [experience("x.a" if at % 2 else "x.b", fidelity=0.5, device="x.a") for at in range(60)]
    assert "may be a loss" in refused(valued(mixed, "q", Rng(1)))
    good = [experience("x.a", chance=1.0, fidelity=0.9) for _ in range(60)]
    assert refused(valued(good, "q", Rng(1))) == ""
    assert "fewer than" in refused(valued(good[:10], "q", Rng(1)))
    few = valued(good[:9], "q", Rng(1))
    assert (few.worth_low, few.gain_high) == (None, None), "so few outcomes give no interval"
    assert few.why_not == refused(few)
    with pytest.raises(InvalidInput):
        valued([experience("x.a", fidelity=None)], "q", Rng(1))


def test_worth_is_known_of_narrow_circuits_alone():
    assert worth_of(GHZ, {"000": 50, "111": 50}) == pytest.approx(1.0)
    assert worth_of(GHZ, dict.fromkeys([f"{at:03b}" for at in range(8)], 10)) == pytest.approx(0.0)
    assert worth_of(Gates(3).h(0).h(1).h(2).measure(0, 1, 2).circuit(), {"000": 5}) is None, "any guess is as good"
    assert worth_of(Gates(14).h(0).measure(0).circuit(), {"0": 5}) is None
    assert worth_of(GHZ, {"00": 5}) is None
    assert np.isfinite(worth_of(GHZ, {"000": 5}))


def test_rows_are_sealed_and_say_what_they_are():
    assert EXPERIENCE.sealed
    from phalanx.core import encode

    assert decode(encode(experience("x.b")), Experience) == experience("x.b")
