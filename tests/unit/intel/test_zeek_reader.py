"""Zeek's JSON logs."""

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, Event, LogSource, ns_from_iso
from phalanx.intel import read_chunk

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
HEAD = {"ts": 1772443800.123456, "uid": "CAbc", "id.orig_h": "192.0.2.1", "id.resp_h": "198.51.100.2"}


def read(record):
    return read_chunk(
        msgspec.json.encode(record), tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=1_772_443_900_000_000_000
    )


@pytest.mark.parametrize(
    ("more", "source"),
    [
        ({"_path": "conn"}, LogSource("zeek", "firewall", "conn")),
        ({"conn_state": "SF", "orig_bytes": 10}, LogSource("zeek", "firewall", "conn")),
        ({"query": "www.example", "qtype": 1}, LogSource("zeek", "dns", "dns")),
        ({"method": "GET", "host": "www.example", "uri": "/"}, LogSource("zeek", "proxy", "http")),
        ({"_path": "made-up"}, LogSource("zeek", "", "")),
        ({}, LogSource("zeek", "", "")),
    ],
)
def test_the_stream_is_named_or_told_by_its_fields(more, source):
    (batch,) = read(HEAD | more).batches
    assert batch.log_source == source
    assert batch.times_ns == [1_772_443_800_123_456_000]


def test_iso_times_are_read_too():
    (batch,) = read(HEAD | {"_path": "conn", "ts": "2026-03-02T09:30:00.5Z"}).batches
    assert batch.times_ns == [ns_from_iso("2026-03-02T09:30:00.5Z")]


def test_answers_are_kept_as_json():
    (batch,) = read(HEAD | {"_path": "dns", "answers": ["192.0.2.9", "192.0.2.10"], "AA": False}).batches
    event = Event(batch, 0)
    assert event.get("answers") == '["192.0.2.9","192.0.2.10"]'
    assert event.get("AA") is False


@pytest.mark.parametrize("stamp", ["soon", -1, 1e300, True, None])
def test_a_record_without_a_time_is_rejected(stamp):
    out = read(HEAD | {"ts": stamp})
    assert "needs ts" in out.rejected[0].reason
