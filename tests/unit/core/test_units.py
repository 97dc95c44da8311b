"""Units: whole nanoseconds and one way to write a date."""

import time

import pytest

from phalanx.core import NS_PER_MS, NS_PER_S, NS_PER_US, iso_from_ns, ns_from_iso, ns_from_s


def test_seconds_become_whole_nanoseconds():
    assert ns_from_s(1.5) == 1_500_000_000
    assert ns_from_s(1e-9) == 1
    assert ns_from_s(0.1 + 0.2) == 300_000_000
    assert ns_from_s(-2) == -2 * NS_PER_S
    assert isinstance(ns_from_s(3.0), int)


def test_dates_are_written_in_utc_with_microseconds():
    assert iso_from_ns(0) == "1970-01-01T00:00:00.000000Z"
    assert iso_from_ns(1_767_225_600 * NS_PER_S + 123_456_789) == "2026-01-01T00:00:00.123456Z"
    assert iso_from_ns(-1) == "1969-12-31T23:59:59.999999Z"


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:00.5Z", 1_767_225_600 * NS_PER_S + 500 * NS_PER_MS),
        ("2026-01-01T01:30:00+01:30", 1_767_225_600 * NS_PER_S),
        ("2025-12-31T19:00:00-05:00", 1_767_225_600 * NS_PER_S),
        ("2026-01-01 00:00:00", 1_767_225_600 * NS_PER_S),
        ("2026-01-01T00:00:00.123456789Z", 1_767_225_600 * NS_PER_S + 123_456 * NS_PER_US),
        ("1969-12-31T23:59:59.999999Z", -NS_PER_US),
    ],
)
def test_dates_are_read_with_and_without_an_offset(text, expected_ns):
    assert ns_from_iso(text) == expected_ns


def test_a_time_without_an_offset_does_not_depend_on_the_machines_zone(monkeypatch):
    try:
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("TZ", "Asia/Tokyo")
            time.tzset()
            assert ns_from_iso("2026-01-01T00:00:00") == 1_767_225_600 * NS_PER_S
            assert iso_from_ns(0) == "1970-01-01T00:00:00.000000Z"
    finally:
        time.tzset()


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30", "12:00:00", "1767225600"])
def test_anything_else_is_no_date(text):
    with pytest.raises(ValueError, match=r"Invalid|must be|out of range"):
        ns_from_iso(text)


@pytest.mark.parametrize(
    ("wall_ns", "text"),
    [
        (-(10**30), "0001-01-01T00:00:00.000000Z"),
        (-62_100_000_000 * 10**9, "0002-02-17T00:00:00.000000Z"),
        (10**30, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_that_cannot_be_is_written_as_the_nearest_that_can(wall_ns, text):
    assert iso_from_ns(wall_ns) == text
