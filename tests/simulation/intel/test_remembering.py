"""Detectors that remember: over crashes, over lines that are read again, and over new rules."""

import asyncio

import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    InvalidInput,
    Severity,
)
from phalanx.intel import (
    Hit,
    Pattern,
    RuleSet,
    load_rules,
    parse_file,
)
from phalanx.intel import _sentinel as sentinel_module
from phalanx.intel._limits import MAX_READ_ROWS, MAX_SLICE_ROWS
from phalanx.testing import SimWorld

from .watching import BENIGN, DUMP, GUESS, Watch, simulate

FIFTH = Pattern(name="fifth", title="Every fifth event", severity=Severity.LOW)


class EveryFifth:
    """Counts the events of each tenant, and finds every fifth; which ones is told by their evidence."""

    name = "every-fifth"

    def __init__(self):
        self.seen = {}
        self.changed = set()

    def evaluate(self, batch):
        hits = []
        for place in range(len(batch)):
            self.seen[batch.tenant] = self.seen.get(batch.tenant, 0) + 1
            self.changed.add(batch.tenant)
            if self.seen[batch.tenant] % 5 == 0:
                hits.append(Hit(FIFTH, batch, (place,), subject=str(self.seen[batch.tenant])))
        return hits

    def state(self, tenant):
        if tenant not in self.changed:
            return None
        self.changed.discard(tenant)
        return str(self.seen[tenant]).encode()

    def restore(self, tenant, state):
        self.seen[tenant] = 0 if state is None else int(state)
        self.changed.discard(tenant)


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("seed", range(8))
def test_a_detector_that_remembers_counts_nothing_twice_or_not_at_all_over_crashes(seed):
    """Cut off at any point, it goes on where the cursor does: each fifth event is found once, and no other."""

    async def inside(world):
        accepted = 0
        for round_ in range(6):
            async with Watch(world, detectors=[EveryFifth()]) as watch:
                for _ in range(4):
                    lines = [BENIGN] * world.rng.integer(1, 9)
                    await watch.accept(*lines)
                    accepted += len(lines)
                    for _ in range(world.rng.integer(0, 40)):
                        await asyncio.sleep(0)
                if round_ == 5:
                    await watch.sentinel.drained()
                    return accepted, await watch.findings.list(DEFAULT_TENANT)
        raise AssertionError

    accepted, findings = SimWorld(seed).run(inside)
    assert accepted >= 24
    assert len(findings) == accepted // 5
    assert [finding.hits for finding in findings] == [1] * len(findings)


class Sizes(EveryFifth):
    """Notes how large batches are."""

    name = "sizes"

    def __init__(self):
        super().__init__()
        self.sizes = []

    def evaluate(self, batch):
        self.sizes.append(len(batch))
        return super().evaluate(batch)


def test_lines_in_which_much_is_found_are_read_again_in_smaller_parts_and_count_once(monkeypatch):
    """What is too much for one commit is known when detectors were asked: they forget it and are asked anew."""
    monkeypatch.setattr(sentinel_module, "MAX_READ_HITS", 150)
    seen = Sizes()

    async def main(watch):
        await watch.accept(*[DUMP] * 600)
        await watch.sentinel.drained()
        assert seen.sizes == [MAX_READ_ROWS, *[MAX_SLICE_ROWS] * 4, 600 - 4 * MAX_SLICE_ROWS]
        findings = await watch.findings.list(DEFAULT_TENANT, limit=200)
        assert [one.hits for one in findings if one.rule != FIFTH.name] == [600]
        assert [one.hits for one in findings if one.rule == FIFTH.name] == [1] * 120
        await watch.accept(*[BENIGN] * 300)
        await watch.sentinel.drained()
        assert seen.sizes[-2:] == [MAX_READ_ROWS, 300 - MAX_READ_ROWS], "all is as before"

    simulate(main, detectors=[seen])


class Nothing(EveryFifth):
    """Its memory cannot be read."""

    def restore(self, tenant, state):
        if state is not None:
            raise ValueError("of another version")
        super().restore(tenant, state)


def test_a_detector_that_cannot_read_its_memory_begins_anew_and_says_so():
    async def inside(world):
        async with Watch(world, detectors=[Nothing()]) as watch:
            await watch.accept(*[BENIGN] * 4)
            await watch.sentinel.drained()
        async with Watch(world, detectors=[Nothing()]) as watch:
            await watch.accept(*[BENIGN] * 5)
            await watch.sentinel.drained()
            assert any("begins anew" in str(line) for line in watch.logged)
            return await watch.findings.list(DEFAULT_TENANT)

    (finding,) = SimWorld(1).run(inside)
    assert finding.hits == 1


def test_two_detectors_of_one_name_are_refused():
    async def main(watch):
        watch.sentinel.join(EveryFifth())
        with pytest.raises(InvalidInput):
            watch.sentinel.join(EveryFifth())
        with pytest.raises(InvalidInput):
            watch.sentinel.join(RuleSet([]))

    simulate(main)


THRICE = """
title: Guess
name: guess
logsource: {product: linux, service: sshd}
detection: {sel: {action: failed}, condition: sel}
---
title: Thrice
name: thrice
correlation: {type: event_count, rules: [guess], group-by: [src_ip], timespan: 1h, condition: {gte: 3}}
"""


def correlating():
    rule, correlation = parse_file(THRICE, where="thrice.yml")
    return RuleSet([rule], correlations=[correlation])


@pytest.mark.requirement("INT-2")
def test_a_correlation_goes_on_over_a_restart_and_over_new_rules():
    """One event before the crash, one before the rules are read anew, one after: three, and one finding."""

    async def inside(world):
        async with Watch(world, rules=correlating()) as watch:
            await watch.accept(GUESS)
            await watch.sentinel.drained()
        async with Watch(world, rules=correlating()) as watch:
            await watch.accept(GUESS)
            await watch.sentinel.drained()
            watch.sentinel.use(correlating())
            await watch.accept(GUESS)
            await watch.sentinel.drained()
            return await watch.findings.list(DEFAULT_TENANT)

    (finding,) = SimWorld(1).run(inside)
    assert finding.rule == "thrice"
    assert len(finding.evidence) == 3


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("seed", range(4))
def test_rules_are_renewed_in_the_middle_of_a_stream_without_losing_or_doubling_an_event(seed):
    async def inside(world):
        async with Watch(world, rules=load_rules()) as watch:
            accepted = 0
            for _ in range(12):
                lines = world.rng.integer(1, 400)
                await watch.accept(*[DUMP] * lines)
                accepted += lines
                for _ in range(world.rng.integer(0, 6)):
                    await asyncio.sleep(0)
                watch.sentinel.use(load_rules())
            await watch.sentinel.drained()
            return accepted, await watch.findings.list(DEFAULT_TENANT), watch.sentinel.rules.costs()

    accepted, (finding,), costs = SimWorld(seed).run(inside)
    assert finding.hits == accepted
    assert {cost.name: cost.hits for cost in costs}["lsass-dump-with-comsvcs"] == accepted
