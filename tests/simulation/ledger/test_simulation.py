"""The simulation finds nothing wrong with the ledger, and finds what is planted."""

from dataclasses import replace

import pytest

from phalanx.testing import SIMULATIONS, ledger_simulation

pytestmark = pytest.mark.requirement("IRS-4")

SEEDS = range(40)


def first_violation(simulation, seeds=range(200)):
    """What is found first."""
    for seed in seeds:
        report = simulation.run(seed)
        if report.violations:
            return report.violations
    raise AssertionError("nothing was found")


def test_seeds_pass_and_are_not_empty():
    total = {}
    for seed in SEEDS:
        report = SIMULATIONS["ledger"].run(seed)
        assert report.violations == (), seed
        for what, n in report.counts.items():
            total[what] = total.get(what, 0) + n
    assert total["entries acknowledged"] > 10 * len(SEEDS)
    assert total["checkpoints given away"] > len(SEEDS)
    assert total["crashes"] == 3 * len(SEEDS)
    for what in ("forgeries found", "forgeries refused at opening", "refused for space"):
        assert total[what], what


def test_the_same_seed_is_the_same_run():
    assert ledger_simulation().run(3) == ledger_simulation().run(3)
    assert ledger_simulation().run(3).digest != ledger_simulation().run(4).digest


def test_a_disk_that_does_not_sync_is_caught():
    lying = ledger_simulation(sabotage=lambda faults: replace(faults, lying_sync=0.7))
    assert first_violation(lying)


def test_a_receipt_before_the_sync_is_caught():
    """Then a checkpoint, too, may be of entries that are lost."""
    found = first_violation(ledger_simulation(early=True))[0]
    assert "LedgerTampered" in found or found.startswith(("an acknowledged entry", "a receipt changed"))


def test_a_commitment_that_nobody_checks_is_caught(monkeypatch):
    monkeypatch.setattr("phalanx.ledger._verify.check_opened", lambda *_: None)
    assert "an audit overlooked a forgery" in first_violation(ledger_simulation())[0]


def test_a_checkpoint_that_nobody_compares_at_opening_is_caught(monkeypatch):
    async def unchecked(*_):
        return None

    monkeypatch.setattr("phalanx.ledger._ledger.check_last_checkpoint", unchecked)
    violations = first_violation(ledger_simulation())
    assert violations[0].startswith("a log that lost signed entries was opened")


def test_a_checkpoint_over_what_is_not_committed_is_caught(monkeypatch):
    """The tree is grown before its rows are written; a checkpoint signed meanwhile is of entries that may get lost."""
    from phalanx.ledger._writer import Writer

    append = Writer._append

    async def eager(self, group):
        tree = self._tree
        kept = tree._frontier, tree._checksums
        tree.adopt(tree.grown([one.leaf_hash for one in group], [0] * len(group)))
        await self._clock.sleep(0.001)  # somebody may sign meanwhile
        tree._frontier, tree._checksums = kept
        tree._edge.clear()
        await append(self, group)

    monkeypatch.setattr(Writer, "_append", eager)
    found = first_violation(ledger_simulation())[0]
    assert found.startswith(("a checkpoint", "two checkpoints", "the run failed"))


def test_an_id_that_is_not_looked_for_is_caught(monkeypatch):
    monkeypatch.setattr("phalanx.ledger._id_index.IdIndex.unsure", lambda *_: [])
    assert "an id is recorded twice" in " ".join(first_violation(ledger_simulation()))


def test_a_waypoint_that_is_left_out_is_caught(monkeypatch):
    """What was appended before a crash is told after it, waypoint and all."""
    from phalanx.ledger import _opening

    told = _opening._untold
    monkeypatch.setattr(_opening, "_untold", lambda index, record, *, silent: told(index, record, silent=True))
    assert "waypoints do not tell of the entries" in " ".join(first_violation(ledger_simulation()))


def test_a_case_index_that_is_believed_as_it_lies_there_is_caught(monkeypatch):
    from phalanx.core import DEFAULT_TENANT
    from phalanx.ledger._case_pages import CASE_PAGES, CaseColumn

    async def unchecked(store, key, *, visit=None):
        column = CaseColumn()
        for row in await store.scan(CASE_PAGES, DEFAULT_TENANT):
            if visit is not None:
                visit(column.size, row.value)
            column, _ = column.grown(row.value)
        return column

    monkeypatch.setattr("phalanx.ledger.evidence._cases.read_column", unchecked)
    assert "a forged case index was believed" in first_violation(ledger_simulation())[0]


def test_an_entry_that_is_left_out_of_the_case_index_is_caught(monkeypatch):
    from phalanx.ledger import Ledger

    whole = Ledger.case_fingerprints

    async def forgetful(self, start, limit):
        return bytes(8) + (await whole(self, start, limit))[8:]

    monkeypatch.setattr(Ledger, "case_fingerprints", forgetful)
    assert "the entries of a case are others than its index has" in first_violation(ledger_simulation())[0]
