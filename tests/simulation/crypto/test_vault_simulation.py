"""The simulation ``vault``: clean over many seeds, and able to see what it is there to see."""

from dataclasses import replace

import msgspec
import pytest

from phalanx.crypto.vault import _changes as changes
from phalanx.crypto.vault import _settling as settling
from phalanx.crypto.vault import _vault as vault
from phalanx.crypto.vault._changes import Changes
from phalanx.crypto.vault._sealer import Sealer
from phalanx.crypto.vault._sealers import Sealers
from phalanx.testing import run_seeds, vault_simulation

pytestmark = pytest.mark.requirement("CRY-2", "CRY-4")

SEEDS = 40


def violations(reports):
    return [f"seed {report.seed}: {violation}" for report in reports for violation in report.violations]


def test_the_vault_keeps_its_word():
    reports = list(run_seeds("vault", 0, 60))
    assert violations(reports) == []
    for what in ("crashes", "seal acknowledged", "rotate acknowledged", "rewrap acknowledged", "shred acknowledged"):
        assert sum(report.counts.get(what, 0) for report in reports) > 20, what
    assert len({report.digest for report in reports}) == 60


@pytest.mark.slow
def test_the_vault_keeps_its_word_over_many_seeds():
    assert violations(run_seeds("vault", 10_000, 80)) == []


def test_the_same_seed_is_the_same_run():
    first, second = [vault_simulation().run(11) for _ in range(2)]
    assert (first.digest, first.counts, first.steps) == (second.digest, second.counts, second.steps)


def test_a_disk_that_skips_syncs_is_found():
    lying = vault_simulation(sabotage=lambda faults: replace(faults, lying_sync=0.3))
    assert violations(map(lying.run, range(SEEDS)))


async def moves_nothing(hierarchy, old):
    return 0


async def erases_nothing(hierarchy, above):
    return 0


async def settles_nothing(hierarchy):
    return 0


async def shreds_in_memory_only(self, record):
    """What is not in the store comes back with the next start."""


async def rewraps_one_root_at_a_time(self, wrapper, actor):
    for stored in await self.hierarchy.shelf.roots():
        key, binding = self.hierarchy.root_of(stored.record.id), stored.record.binding()
        wrapped = await wrapper.wrap(key.secret, binding)
        await self.hierarchy.shelf.store.commit([changes.key_put(replaced(stored.record, wrapped=b""))])
        await self.hierarchy.shelf.store.commit([changes.key_put(replaced(stored.record, wrapped=wrapped))])


def replaced(record, **fields):
    return msgspec.structs.replace(record, **fields)


async def takes_uses_without_saying_so(self, sealer):
    keys = await self._hierarchy.data_keys(sealer.tenant, sealer.purpose)
    if keys:
        sealer.seal_with(keys[-1][1], self.uses.step)
    else:
        await TAKE_USES(self, sealer)


TAKE_USES = Sealers.take_uses
SEAL = Sealer.seal


def seals_with_one_nonce(self, plaintext, aad=b""):
    self._entropy = type("Fixed", (), {"token": staticmethod(bytes)})
    return SEAL(self, plaintext, aad)


@pytest.mark.parametrize(
    ("where", "name", "planted", "seen"),
    [
        (settling, "_move_below", moves_nothing, "does not open"),
        (settling, "_erase_below", erases_nothing, "a key of a shredded tenant"),
        (vault, "settle", settles_nothing, "a replaced key was left behind"),
        (Changes, "shred", shreds_in_memory_only, "a shredded tenant came back"),
        (Changes, "rewrap", rewraps_one_root_at_a_time, "no wrapper opens the vault"),
        (Sealers, "take_uses", takes_uses_without_saying_so, "beyond its bound"),
        (Sealer, "seal", seals_with_one_nonce, "a nonce came twice"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_planted_mistake_is_found(monkeypatch, where, name, planted, seen):
    monkeypatch.setattr(where, name, planted)
    found = []
    for seed in range(SEEDS):
        found += vault_simulation().run(seed).violations
        if any(seen in violation for violation in found):
            return
    pytest.fail(f"{seen!r} was not noticed, but: {found[:5]}")
