"""Thresholds that move, in a simulated world: every move on record once, whatever fails; people steer, floors hold."""

import asyncio
import itertools

import msgspec
import numpy as np
import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    InvalidInput,
    NotFound,
    Severity,
    StorageFull,
    TenantId,
    decode,
    iso_from_ns,
)
from phalanx.intel import (
    OPINIONS,
    THRESHOLD_MOVES,
    Findings,
    Hit,
    Intake,
    Judgements,
    OpinionWanted,
    Pattern,
    PinWanted,
    RuleSet,
    Sentinel,
    Tally,
    ThresholdMove,
    Thresholds,
    Verdict,
)
from phalanx.learning import AdaptiveThreshold
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, SimWorld

pytestmark = pytest.mark.requirement("LRN-3")

LOUD = Pattern(name="loud", title="Louder than usual", severity=Severity.LOW)
FLOOR, CEILING = 3.0, 9.0


class Loudness:
    """A detector whose score is in the event."""

    name = "loudness"

    def __init__(self):
        self.houses = {}
        self.changed = set()

    def evaluate(self, batch):
        hits = []
        for place, score in enumerate(batch.columns.get("score", ())):
            house = self.houses.setdefault(batch.tenant, {LOUD.name: new_threshold()})
            self.changed.add(batch.tenant)
            if house[LOUD.name].passes(float(score)):
                hits.append(Hit(LOUD, batch, (place,)))
        return hits

    def thresholds(self, tenant):
        return self.houses.get(tenant, {})

    def state(self, tenant):
        if tenant not in self.changed:
            return None
        self.changed.discard(tenant)
        return msgspec.msgpack.encode(self.houses[tenant])

    def restore(self, tenant, state):
        self.changed.discard(tenant)
        self.houses.pop(tenant, None)
        if state is not None:
            self.houses[tenant] = msgspec.msgpack.decode(state, type=dict[str, AdaptiveThreshold])


def new_threshold():
    return AdaptiveThreshold.between(FLOOR, CEILING, passing=0.01)


def moves_in(ledger):
    return [entry for entry in ledger.kept if entry.action == "threshold.moved"]


class House:
    """A sentinel with one detector over a store that outlives it."""

    def __init__(self, world, store, ledger):
        self.world, self.store, self.ledger = world, store, ledger

    async def __aenter__(self):
        clock = self.world.clock
        telemetry = Telemetry(clock, log_sink=lambda _: None)
        self.journal = await self.world.journals("disk").open("intake")
        self.intake = await Intake.open(self.journal, self.store, clock=clock, ids=self.world.ids, telemetry=telemetry)
        self.detector = Loudness()
        self.sentinel = Sentinel(
            self.intake, self.store, RuleSet([]), clock=clock, telemetry=telemetry, on_missions=lambda: None,
            detectors=[self.detector],
        )  # fmt: skip
        self.thresholds = Thresholds(self.store, clock, self.ledger)
        await self.thresholds.open()
        self.sentinel.steer(self.thresholds.steering)
        self.task = asyncio.create_task(self.sentinel.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.wait((self.task,))
        await self.intake.close()

    def _line(self, score):
        stamp = iso_from_ns(self.world.clock.wall_ns())
        head = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "h", "UtcTime": stamp}
        return msgspec.json.encode(head | {"score": score})

    async def hear(self, scores, tenant=DEFAULT_TENANT):
        lines = [self._line(float(score)) for score in scores]
        await self.intake.accept(b"\n".join(lines), tenant=tenant)
        await self.sentinel.drained()


def chain(moves):
    return [step for move in moves for step in move.steps]


def drifting(seed=1):
    """Quiet, then louder and louder, then quiet again: a hundred scores at a time."""
    draw = np.random.default_rng(seed)
    return [draw.exponential(scale, 100) for scale in (*[0.4] * 4, *np.linspace(0.4, 6.0, 30), *[0.05] * 60)]


def test_a_threshold_follows_planted_drift_never_below_its_floor_and_each_move_is_in_the_ledger_once():
    async def story(world):
        store, ledger = world.store("disk"), MemoryAudit()
        parts = drifting()
        for first, last in itertools.pairwise((0, 20, 40, len(parts))):
            async with House(world, store, ledger) as house:
                for part in parts[first:last]:
                    await house.hear(part)
                if last != 20:  # the first time it is cut off before the ledger was told
                    await house.thresholds.look()
                    await house.thresholds.look()
        rows = await store.scan(THRESHOLD_MOVES, DEFAULT_TENANT)
        moves = [decode(row.value, ThresholdMove) for row in rows]
        steps = chain(sorted(moves, key=lambda move: move.steps[0].at_score))
        assert len(steps) > 5
        assert all(move.recorded for move in moves)
        assert steps[0].before == FLOOR
        for before, after in itertools.pairwise(steps):
            assert after.before == before.after, "a move is missing, or there twice"
        assert all(FLOOR <= step.after <= CEILING for step in steps), "the floor holds, and the ceiling"
        assert max(step.after for step in steps) > 2 * FLOOR, "it followed"
        assert steps[-1].after == FLOOR, "and came back"
        assert len(moves_in(ledger)) == len(moves) == len(ledger.entries)
        for entry in moves_in(ledger):
            assert {"old", "new", "reason", "steps", "floor", "ceiling"} <= entry.body.keys()
            assert entry.body["steps"][-1]["scores"] >= 256, "the data that it was seen from"
        async with House(world, store, ledger) as house:
            (stands,) = await house.thresholds.standing(DEFAULT_TENANT)
            assert (stands.value, stands.floor, stands.set_by) == (FLOOR, FLOOR, "floor")

    SimWorld(5).run(story)


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_commit_that_fails_leaves_no_gap_in_the_record(offset):
    async def story(world):
        store, ledger = world.store("disk"), MemoryAudit()
        async with House(world, store, ledger) as house:
            commit, failing = store.commit, itertools.count()

            async def sometimes(writes, *, expect=()):
                if next(failing) % 3 == offset:
                    raise StorageFull("the disk")
                return await commit(writes, expect=expect)

            house.sentinel._store = _Failing(store, sometimes)
            for part in drifting(2)[:45]:
                await house.hear(part)
        rows = await store.scan(THRESHOLD_MOVES, DEFAULT_TENANT)
        steps = chain(
            sorted((decode(row.value, ThresholdMove) for row in rows), key=lambda move: move.steps[0].at_score)
        )
        assert len(steps) > 3
        assert steps[0].before == FLOOR
        for before, after in itertools.pairwise(steps):
            assert after.before == before.after

    SimWorld(6).run(story)


class _Failing:
    def __init__(self, store, commit):
        self._store, self.commit = store, commit

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_a_pin_holds_from_the_next_events_on_and_is_let_go_again():
    async def story(world):
        store, ledger = world.store("disk"), MemoryAudit()
        async with House(world, store, ledger) as house:
            with pytest.raises(NotFound):
                await house.thresholds.pin(DEFAULT_TENANT, LOUD.name, PinWanted(value=5.0, reason="x"), by="ann")
            await house.hear([0.1] * 10)
            for value, reason in ((FLOOR - 0.1, "less"), (CEILING + 0.1, "more"), (5.0, " ")):
                with pytest.raises(InvalidInput):
                    await house.thresholds.pin(
                        DEFAULT_TENANT, LOUD.name, PinWanted(value=value, reason=reason), by="ann"
                    )  # fmt: skip
            await house.thresholds.pin(DEFAULT_TENANT, LOUD.name, PinWanted(value=5.0, reason="noisy week"), by="ann")
            await house.hear([4.0])
            assert not await Findings(store).list(DEFAULT_TENANT), "it is held above"
            (stands,) = await house.thresholds.standing(DEFAULT_TENANT)
            assert (stands.value, stands.set_by, stands.pinned) == (5.0, "pinned", 5.0)
        async with House(world, store, ledger) as house:
            await house.hear([4.0])
            assert not await Findings(store).list(DEFAULT_TENANT), "it is still held after a restart"
            await house.hear([4.0], tenant=TenantId("other"))
            assert await Findings(store).list(TenantId("other")), "it is held for who asked for it"
            await house.thresholds.pin(DEFAULT_TENANT, LOUD.name, PinWanted(reason="quiet again"), by="ann")
            assert await house.thresholds.pins(DEFAULT_TENANT) == {}
            await house.hear([4.0])
            assert await Findings(store).list(DEFAULT_TENANT)
            await house.thresholds.look()
        actions = ledger.actions()
        assert actions.count("threshold.pinned") == actions.count("threshold.let-go") == 1
        assert [entry.body["reason"] for entry in moves_in(ledger)] == ["pinned", "pinned"]

    SimWorld(7).run(story)


def test_findings_that_people_call_wrong_raise_the_threshold_by_steps_and_no_further():
    async def story(world):
        store, ledger = world.store("disk"), MemoryAudit()
        async with House(world, store, ledger) as house:
            judgements, said = Judgements(store, world.clock, ledger), 0
            await house.hear([3.5])
            (finding,) = await Findings(store).list(DEFAULT_TENANT)
            assert (await house.thresholds.feedback(DEFAULT_TENANT)) == []
            await judgements.say(DEFAULT_TENANT, finding.id, OpinionWanted(verdict=Verdict.WRONG), by="ann")
            await house.thresholds.look()
            await house.hear([0.1])
            (stands,) = await house.thresholds.standing(DEFAULT_TENANT)
            assert stands.raised == 0.0, "one opinion is none"
            for said in range(2, 80):
                await _say(store, finding, said, Verdict.WRONG)
                if said == 12:
                    await house.thresholds.look()
                    await house.hear([0.1])
                    (some,) = await house.thresholds.standing(DEFAULT_TENANT)
                    assert FLOOR < some.value < CEILING
            await house.thresholds.look()
            await house.hear([0.1])
            (stands,) = await house.thresholds.standing(DEFAULT_TENANT)
            assert stands.value == FLOOR + 0.5 * (CEILING - FLOOR), "people alone never blind it"
            (told,) = await house.thresholds.feedback(DEFAULT_TENANT)
            assert (told.rule, told.wrong, told.raised) == (LOUD.name, said, stands.raised)
            assert told.false_share_low > 0.9
            for right in range(100, 190):
                await _say(store, finding, right, Verdict.RIGHT)
            await house.thresholds.look()
            await house.hear([0.1])
            (stands,) = await house.thresholds.standing(DEFAULT_TENANT)
            assert (stands.value, stands.raised) == (FLOOR, 0.0), "it falls again, to the floor"
            await house.thresholds.look()
            assert {entry.body["reason"] for entry in moves_in(ledger)} == {"opinions"}
            assert all(entry.body["opinions"]["wrong"] for entry in moves_in(ledger)[1:])

    SimWorld(8).run(story)


async def _say(store, finding, number, verdict):
    """An opinion on another finding of the same rule."""
    from phalanx.core import Put, derive_id, encode
    from phalanx.intel import Opinion

    other = derive_id(finding.at_ns, "finding", str(number))
    made = Opinion(
        id=derive_id(finding.at_ns, "opinion", str(number)), tenant=DEFAULT_TENANT, trace=finding.trace,
        at_ns=finding.at_ns + number, finding=other, rule=finding.rule, verdict=verdict, reason="", by="ann",
    )  # fmt: skip
    await store.commit([Put(OPINIONS, DEFAULT_TENANT, made.id, encode(made), {"finding": (other,), "rule": ("x",)})])


@pytest.mark.parametrize(
    ("right", "wrong", "raises"), [(0, 5, False), (0, 6, True), (5, 8, False), (20, 20, False), (3, 30, True)]
)
def test_only_what_is_beyond_doubt_raises(right, wrong, raises):
    assert (Tally(right=right, wrong=wrong).raised(new_threshold()) > 0) == raises


def test_a_suppression_is_advised_where_all_findings_of_a_host_were_wrong_and_made_by_nobody():
    async def story(world):
        store, ledger = world.store("disk"), MemoryAudit()
        async with House(world, store, ledger) as house:
            judgements = Judgements(store, world.clock, ledger)
            for _ in range(3):
                await house.hear([3.5])
                await world.clock.sleep(4_000.0)
            found = await Findings(store).list(DEFAULT_TENANT)
            assert len(found) == 3
            for finding in found:
                await judgements.say(DEFAULT_TENANT, finding.id, OpinionWanted(verdict=Verdict.WRONG), by="ann")
            (told,) = await house.thresholds.feedback(DEFAULT_TENANT)
            assert [(one.host, one.wrong) for one in told.advice] == [("h", 3)]
            assert told.title == LOUD.title, "a rule's name may say nothing to a person"
            assert await judgements.suppressions(DEFAULT_TENANT) == []
            assert await house.thresholds.labels(DEFAULT_TENANT) == {finding.id: False for finding in found}
            await judgements.say(DEFAULT_TENANT, found[0].id, OpinionWanted(verdict=Verdict.RIGHT), by="ben")
            (told,) = await house.thresholds.feedback(DEFAULT_TENANT)
            assert told.advice == ()

    SimWorld(9).run(story)
