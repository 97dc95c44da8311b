"""Garbage in a process that is up."""

import gc

from phalanx.adapters import settle_garbage


def test_what_is_there_to_stay_is_not_looked_through_and_full_collections_are_seldom():
    usual = gc.get_threshold()
    try:
        settle_garbage()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[2] > usual[2]
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)
