"""Every journal against the suite for journals."""

import pytest

from phalanx.testing.contracts import JOURNAL_CHECKS, JOURNAL_FULL_CHECKS


@pytest.mark.parametrize("check", JOURNAL_CHECKS)
def test_contract(journals_rig, check):
    journals_rig.check(check)


def test_contract_whatever_the_schedule(sim_journals_rigs):
    for check in JOURNAL_CHECKS:
        sim_journals_rigs().check(check)


@pytest.mark.parametrize("check", JOURNAL_FULL_CHECKS)
def test_full_disk(small_journals_rig, small_disk, check):
    small_journals_rig.check(check, small_disk.make_room)
