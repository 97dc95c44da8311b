"""What is written out for speed says what the plain form says."""

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, TenantId, derive_id, event_id, event_ids
from phalanx.intel.detectors._counting import counted
from phalanx.intel.detectors._hours import _median
from phalanx.intel.detectors._sequence import _step_places, _surprise
from phalanx.intel.detectors._sketch import Sketch, places_of
from phalanx.intel.sigma import as_text

pytestmark = pytest.mark.requirement("INT-2")

NOON_NS = 1_760_000_400 * NS_PER_S
HOUR_NS = 3_600 * NS_PER_S
BATCH = BatchId(derive_id(NOON_NS, "batch")[:31] + "00000")

hosts = st.sampled_from([None, "", 0, 1, True, False, 2.5, "a", "A", "b", "x" * 70])
offsets = st.sampled_from([0, 1, 2, 3_599, 3_600, 7_300, 50_000])
sizes = st.sampled_from([None, "12", 0, -5, 7, 7.5, 2**60, True])


def batch_of(source, times_ns, columns):
    n = len(times_ns)
    return EventBatch(TenantId("t"), BATCH, source, "test", NOON_NS, range(n), times_ns, [b""] * n, columns)


def plain(batch, measures):
    """Event by event: hour and key, what came, places of the first seven and the last."""
    found = {}
    for place, at_ns in enumerate(batch.times_ns):
        if at_ns > batch.accepted_at_ns + HOUR_NS:
            continue
        for key, amount in measures(place):
            total, places = found.get((at_ns // HOUR_NS, key), (0.0, []))
            places = [*places, place] if len(places) < 8 else [*places[:-1], place]
            found[at_ns // HOUR_NS, key] = total + amount, places
    return sorted(found.items())


@given(st.lists(st.tuples(offsets, hosts), max_size=30))
def test_events_of_hosts_are_counted_as_one_by_one(rows):
    times = [NOON_NS - 3_600 * NS_PER_S + offset * NS_PER_S for offset, _ in rows]
    batch = batch_of(LogSource("windows", "", "security"), times, {"Hostname": [host for _, host in rows]})

    def measures(place):
        host = batch.columns["Hostname"][place]
        return [(f"events|{as_text(host).lower()[:64]} security", 1.0)] if host else []

    assert counted(batch) == plain(batch, measures)


@given(st.lists(st.tuples(offsets, hosts, sizes), max_size=30))
def test_what_hosts_send_is_counted_as_one_by_one(rows):
    times = [NOON_NS - 3_600 * NS_PER_S + offset * NS_PER_S for offset, _, _ in rows]
    columns = {"id.orig_h": [host for _, host, _ in rows], "orig_bytes": [size for _, _, size in rows]}
    batch = batch_of(LogSource("zeek", "firewall", "conn"), times, columns)

    def measures(place):
        host, size = columns["id.orig_h"][place], columns["orig_bytes"][place]
        if host:
            yield f"events|{as_text(host).lower()[:64]} conn", 1.0
            if isinstance(size, int | float) and 0 < size < 2**53:
                yield f"out|{as_text(host)[:64]}", float(size)

    assert counted(batch) == plain(batch, measures)


def plain_surprise(sketch, log, before, step):
    chance = 1.0 / 1_024.0
    for order in range(min(3, len(before) + 1)):
        context = "|".join((log, *before[len(before) - order :])) if order else log
        after, kinds = places_of(f"{order}n|{context}".encode()), places_of(f"{order}k|{context}".encode())
        whole = places_of(f"{order}w|{context}|{step}".encode())
        times, together, different = sketch.seen(after), sketch.seen(whole), max(1, sketch.seen(kinds))
        chance = min(1.0, (together + different * chance) / (times + different)) if times else chance
        sketch.take(after)
        sketch.take(whole)
        if not together:
            sketch.take(kinds)
    return -log2(chance)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=200))
def test_steps_surprise_as_much_as_one_by_one(steps):
    fast, slow = Sketch.new(), Sketch.new()
    before: list[str] = []
    for step in steps:
        places = _step_places("log", tuple(before[-2:]), step)
        assert _surprise(fast, places) == plain_surprise(slow, "log", before, step)
        before.append(step)
    assert fast.rows == slow.rows


@given(st.integers(0, 2**20 - 1))
def test_ids_of_many_rows_are_those_of_each(row):
    assert event_ids(BATCH)(row) == event_id(BATCH, row)


@given(st.lists(st.floats(-1e3, 1e3, width=16), min_size=1, max_size=50), st.sampled_from(["float16", "float64"]))
def test_the_median_is_that_of_numpy(values, dtype):
    import numpy as np

    array = np.array(values, dtype)
    assert _median(array) == float(np.median(array))
