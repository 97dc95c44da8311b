"""Hours that are far from what is usual, over counts whose truth is known."""

import numpy as np
import pytest

from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, TenantId, derive_id
from phalanx.intel.detectors import EVENTS, FAILED, OUT, SHORT, VolumeDetector
from phalanx.intel.detectors._limits import MAX_VOLUMES, VOLUME_CEILING, VOLUME_FLOOR
from phalanx.testing.contracts import DETECTOR_CHECKS

pytestmark = pytest.mark.requirement("INT-2")

MONDAY_S = 1_760_313_600
CONN = LogSource("zeek", "firewall", "conn")
SSHD = LogSource("linux", "", "sshd")
OFFICE = [1.0 if 8 <= hour < 18 else 0.1 for hour in range(24)]


def batch_of(source, hour, fields, *, ahead_s=0.0):
    """One batch of rows in one hour, counted from a Monday."""
    at_ns = int((MONDAY_S + hour * 3_600) * NS_PER_S)
    names = dict.fromkeys(name for row in fields for name in row)
    return EventBatch(
        TenantId("local"), BatchId(derive_id(at_ns, "batch", str(hour))), source, "test",
        at_ns - int(ahead_s * NS_PER_S), range(len(fields)), [at_ns + n for n in range(len(fields))],
        [b""] * len(fields), {name: [row.get(name) for row in fields] for name in names},
    )  # fmt: skip


def sent(hour, size, host="10.0.0.5"):
    return batch_of(CONN, hour, [{"id.orig_h": host, "orig_bytes": int(size / 2)}] * 2)


def weeks(n, *, base=100e6, seed=1, sigma=0.2):
    """Office hours from Monday to Friday, with what is usual of noise."""
    draw = np.random.default_rng(seed)
    return [
        sent(hour, base * (OFFICE[hour % 24] if hour % 168 < 120 else 0.1) * np.exp(draw.normal(0, sigma)))
        for hour in range(int(n * 168))
    ]


def found(detector, batches, *patterns):
    wanted = [pattern.name for pattern in patterns]
    return [hit for batch in batches for hit in detector.evaluate(batch) if not wanted or hit.rule.name in wanted]


def test_a_night_that_sends_as_much_as_a_day_is_told_and_a_day_is_not():
    detector = VolumeDetector()
    assert not found(detector, weeks(2))
    night, day = 2 * 168 + 3, 2 * 168 + 10
    (hit,) = found(detector, [sent(night, 150e6)])
    assert hit.rule is OUT
    assert hit.subject == "10.0.0.5"
    assert "times as many" in hit.told
    assert not found(detector, [sent(day, 150e6)]), "by day so much is usual"


def test_an_hour_is_told_once_and_as_soon_as_it_is_over_its_bar():
    detector = VolumeDetector()
    found(detector, weeks(2))
    hits = found(detector, [sent(2 * 168 + 3, 100e6) for _ in range(5)])
    assert len(hits) == 1
    assert "in this hour so far" in hits[0].told


def test_nothing_is_said_before_a_day_is_over():
    detector = VolumeDetector()
    assert not found(detector, [sent(hour, 1e6) for hour in range(20)] + [sent(21, 1e12)])


def test_a_weekly_habit_becomes_usual():
    detector, hits = VolumeDetector(), []
    for batch in weeks(6):
        hits += found(detector, [batch])
        hour = batch.times_ns[0] // NS_PER_S // 3_600 - MONDAY_S // 3_600
        if hour % 168 == 150:
            hits += found(detector, [sent(hour, 400e6)])
    assert 1 <= len(hits) <= 4, "a backup on Sundays is news at first"
    late = [hit for hit in hits if hit.batch.times_ns[0] >= (MONDAY_S + 5 * 168 * 3_600) * NS_PER_S]
    assert not late


def test_one_attack_does_not_become_what_is_usual():
    detector = VolumeDetector()
    hits = []
    for batch in weeks(4):
        hits += found(detector, [batch])
        hour = batch.times_ns[0] // NS_PER_S // 3_600 - MONDAY_S // 3_600
        if hour in (2 * 168 + 3, 3 * 168 + 3):
            hits += found(detector, [sent(hour, 2_000e6)])
    assert len(hits) == 2, "an hour pulls what is expected only a little"


def test_who_was_away_is_judged_as_before():
    detector = VolumeDetector()
    found(detector, weeks(2))
    assert not found(detector, [sent(4 * 168 + 10, 100e6)])
    assert found(detector, [sent(4 * 168 + 27, 500e6)]), "two weeks of silence are no scale"


def logs(hour, n, host="ws-1"):
    return batch_of(LogSource("windows", "", "system"), hour, [{"Hostname": host, "EventID": 1}] * n)


def test_a_host_that_goes_quiet_is_told_by_what_comes_after():
    detector = VolumeDetector()
    assert not found(detector, [logs(hour, 900) for hour in range(3 * 168)], SHORT, EVENTS)
    (hit,) = found(detector, [logs(3 * 168, 3), logs(3 * 168 + 1, 900)], SHORT)
    assert "3 events in an hour in which about 9" in hit.told
    (hit,) = found(detector, [logs(3 * 168 + 2, 30_000)], EVENTS)
    assert hit.subject == "ws-1 system"


def failed(hour, n, address):
    return batch_of(SSHD, hour, [{"action": "failed", "src_ip": address, "user": "root", "hostname": "h"}] * n)


def test_many_failures_from_where_there_never_were_any_are_told_once_the_house_is_known():
    detector = VolumeDetector()
    assert not found(detector, [failed(hour, 2, "192.0.2.1") for hour in range(48)], FAILED)
    (hit,) = found(detector, [failed(48, 60, "192.0.2.66")], FAILED)
    assert hit.subject == "192.0.2.66"
    assert not found(detector, [failed(49, 5, "192.0.2.67")], FAILED)


def test_clocks_that_are_ahead_and_records_that_are_late_move_nothing():
    detector = VolumeDetector()
    found(detector, weeks(2))
    ahead = batch_of(CONN, 9_000, [{"id.orig_h": "10.0.0.5", "orig_bytes": 10**12}], ahead_s=90_000 * 3_600 / 10)
    assert not found(detector, [ahead, sent(30, 10**12)])
    assert found(detector, [sent(2 * 168 + 3, 500e6)]), "the hour is still judged"


@pytest.mark.requirement("LRN-3")
def test_the_bar_follows_a_house_that_becomes_noisy_between_floor_and_ceiling():
    detector = VolumeDetector()
    found(detector, weeks(3))
    bar = detector.thresholds(TenantId("local"))[OUT.name]
    assert bar.standing == VOLUME_FLOOR
    draw = np.random.default_rng(9)
    for hour in range(3 * 168, 6 * 168):
        found(detector, [sent(hour, 100e6 * float(np.exp(draw.standard_t(2))))])
    assert VOLUME_FLOOR < bar.standing <= VOLUME_CEILING
    assert bar.changes[-1].after == bar.standing


def test_entities_that_are_remembered_are_bounded_and_the_state_fits():
    detector = VolumeDetector()
    for start in range(0, 3 * MAX_VOLUMES, 100):
        rows = [{"id.orig_h": f"{n:064}", "orig_bytes": 5} for n in range(start, start + 100)]
        detector.evaluate(batch_of(CONN, 5, rows))
    (only,) = detector._houses.values()
    assert len(only.volumes) == MAX_VOLUMES
    assert len(detector.state(TenantId("local"))) < 600_000


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check):
    check(
        VolumeDetector, [*[sent(hour, 30e6 + hour) for hour in range(26)], sent(26, 3e9), sent(27, 3e9), sent(400, 1)]
    )


@pytest.mark.parametrize("value", [None, "many", True, -5, float("nan"), float("inf"), 1e300])
def test_amounts_that_are_odd_are_no_mistake(value):
    rows = [{"id.orig_h": "10.0.0.5", "orig_bytes": value}]
    detector = VolumeDetector()
    assert not found(detector, [batch_of(CONN, hour, rows) for hour in range(40)])
