"""`phalanx sim witness`: seeds without a violation, and planted bugs that it finds."""

import pytest

from phalanx.ledger.witness import Gossip, Witness, _judge
from phalanx.testing import SIMULATIONS

pytestmark = pytest.mark.requirement("IRS-4")

SEEDS = 25
RUN = SIMULATIONS["witness"].run


def violations(seeds, enough=1):
    found = []
    for seed in range(seeds):
        found += RUN(seed).violations
        if len(found) >= enough:
            break
    return found


def test_no_witness_is_fooled_and_no_honest_log_accused():
    counts = {}
    for seed in range(SEEDS):
        report = RUN(seed)
        assert report.violations == (), (seed, report.violations)
        for what, n in report.counts.items():
            counts[what] = counts.get(what, 0) + n
    assert {"two histories", "evidence", "crash", "answer 200", "answer 422", "no answer"} <= counts.keys()


def test_who_asks_outlives_a_witness_that_loses_power_while_it_answers():
    assert RUN(390).violations == ()


def test_the_same_seed_gives_the_same_run():
    assert RUN(3) == RUN(3)


def test_a_witness_that_does_not_check_consistency_is_caught(monkeypatch):
    monkeypatch.setattr(_judge, "verify_consistency", lambda *_: None)
    assert any("cosigned two histories" in one for one in violations(60))


def test_a_witness_that_forgets_what_it_cosigned_is_caught(monkeypatch):
    """It accepts a stale checkpoint after a crash, because its head was never durable."""
    add = Witness._add
    memory = {}

    class Forgetful:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            return getattr(self._store, name)

        async def commit(self, writes, *, expect=()):
            memory.setdefault(id(self._store), {}).update({put.key: put for put in writes})

        async def get(self, table, tenant, key):
            from phalanx.core import Row

            put = memory.get(id(self._store), {}).get(key)
            return Row(key, put.value, 1) if put else None

    async def forgetful(self, request):
        if not isinstance(self._store, Forgetful):
            self._store = Forgetful(self._store)
        return await add(self, request)

    monkeypatch.setattr(Witness, "_add", forgetful)
    found = violations(60)
    assert any("cosigned two histories" in one or "smaller tree" in one for one in found)


def test_nodes_that_do_not_compare_are_caught(monkeypatch):
    async def take(self, message, *, source):
        pass

    monkeypatch.setattr(Gossip, "_take", take)
    assert any("nobody noticed" in one for one in violations(60))


def test_a_node_that_accuses_without_proof_is_caught(monkeypatch):
    from phalanx.ledger.witness import _gossip, _split

    def trusting(log, one, other, prefix_root, path=()):
        return _split.SplitView(
            origin=log.origin, keys=(), first=one, second=other, prefix_root="00" * 32,
        )  # fmt: skip

    async def accuse(self, log, note, newest, proof):
        evidence = trusting(log, note.note, newest.note, b"")
        await self._seen.keep_split_view(
            _gossip.FoundSplitView(
                id=note.id, tenant=note.tenant, trace=note.trace, at_ns=0, evidence=evidence, source="me"
            )
        )

    monkeypatch.setattr(Gossip, "_judge", accuse)
    assert any("honest log is accused" in one for one in violations(60))
