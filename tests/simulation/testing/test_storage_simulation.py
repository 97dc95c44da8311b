"""The simulation ``storage``: clean over many seeds, and able to see what it is there to see."""

from dataclasses import replace

import pytest

from phalanx.adapters.storage import SegmentJournal
from phalanx.core import NotFound
from phalanx.testing import SIMULATIONS, SimDisk, SimStore, run_seeds, storage_simulation

SEEDS = 60


def total(reports, what):
    return sum(report.counts.get(what, 0) for report in reports)


def violations(reports):
    return [f"seed {report.seed}: {violation}" for report in reports for violation in report.violations]


def test_storage_keeps_its_word():
    reports = list(run_seeds("storage", 0, 150))
    assert violations(reports) == []
    assert [report.seed for report in reports] == list(range(150))
    for what in ("crashes", "batches acknowledged", "commits acknowledged", "refused for space"):
        assert total(reports, what) > 20, what
    assert len({report.digest for report in reports}) == 150


@pytest.mark.slow
def test_storage_keeps_its_word_over_many_seeds():
    assert violations(run_seeds("storage", 10_000, 2_000)) == []


def test_a_disk_that_skips_syncs_is_found():
    lying = storage_simulation(sabotage=lambda faults: replace(faults, lying_sync=0.3))
    assert violations(map(lying.run, range(SEEDS)))


async def no_sync_of_names(self, folder):
    await self.list(folder)


async def no_sync_of_bytes(self, path, data):
    await self.append(path, data)


async def no_check(self, segment):
    self._end = segment.base


async def reply_first(self, writes, expect):
    version = self._apply(writes)
    self.reply = self._log.append([b"\x01"])
    self.reply.close()
    return version


@pytest.mark.parametrize(
    ("kind", "method", "broken"),
    [
        (SimDisk, "sync_folder", no_sync_of_names),
        (SimDisk, "append_sync", no_sync_of_bytes),
        (SegmentJournal, "_recover_tail", no_check),
        (SimStore, "_commit", reply_first),
    ],
)
def test_a_planted_bug_is_found(monkeypatch, kind, method, broken):
    monkeypatch.setattr(kind, method, broken)
    assert violations(map(SIMULATIONS["storage"].run, range(SEEDS)))


def test_a_simulation_that_is_not_there_is_named():
    with pytest.raises(NotFound, match="weather"):
        run_seeds("weather", 0, 1)
