"""The bytes of this room's records, as they were first written: what is stored must stay readable.

After a change that is meant, run with ``PHALANX_TEST_UPDATE_GOLDEN=1`` and look at the difference.
"""

import os
from pathlib import Path

import pytest

from phalanx.core import NO_TRACE, BatchId, TenantId, TraceId, decode, decode_json, encode, encode_json, kind_name
from phalanx.intel import BadRow, BatchEntry, Chunk, Cursor, Quarantine, Replay, Replayed, UsedKey

FILES = Path(__file__).parent / "files"
BATCH = "019b76da-a87b-7076-aacb-453d5e800000"
COMMON = {"tenant": TenantId("acme"), "trace": NO_TRACE, "at_ns": 1_767_225_600_123_456_789}
RECORDS = [
    Chunk(
        id=BATCH,
        **COMMON,
        reader="syslog",
        events=2,
        data=b"<34>Oct 11 22:14:15 host su: caf\xe9\nsecond\n",
        total_bytes=4_711,
        idempotency_key="request-1",
        digest="00ff",
    ),
    BatchEntry(id=BATCH, **COMMON, offset=7, reader="auto", events=2, rejected=1, sources=("linux/auth", "zeek/dns")),
    UsedKey(id=BATCH, **COMMON, offset=7, events=2, digest="00ff"),
    Quarantine(
        id="019b76da-a87b-7076-aacb-453d5e800001",
        tenant=TenantId("acme"),
        trace=TraceId("019b76da-a87b-7076-aacb-453d5e800001"),
        at_ns=1_767_225_600_123_456_789,
        batch=BatchId(BATCH),
        reader="auto",
        lines=(BadRow(1, "not JSON: it ends too early", '{"a":'),),
    ),
    Replay(
        id="019b76da-a87b-7076-aacb-453d5e800001",
        **COMMON,
        done=(Replayed(at_ns=1_767_225_600_123_456_789, by="anna", reader="cef", rows=(1, 3), batch=BATCH),),
    ),
    Cursor.at(8, 3, at_ns=1_767_225_600_123_456_789),
]


@pytest.mark.parametrize("record", RECORDS, ids=[kind_name(type(record)) for record in RECORDS])
@pytest.mark.parametrize(("form", "write", "read"), [("msgpack", encode, decode), ("json", encode_json, decode_json)])
def test_a_record_is_written_and_read_as_it_always_was(record, form, write, read):
    file = FILES / f"{kind_name(type(record))}.{form}"
    if os.environ.get("PHALANX_TEST_UPDATE_GOLDEN") == "1":
        file.write_bytes(write(record))
    assert write(record) == file.read_bytes()
    assert read(file.read_bytes(), type(record)) == record


@pytest.mark.parametrize(("form", "read"), [("msgpack", decode), ("json", decode_json)])
def test_a_chunk_from_before_there_was_sealing_is_read_as_not_sealed(form, read):
    assert read((FILES / f"chunk-v1.{form}").read_bytes(), Chunk) == RECORDS[0]


@pytest.mark.parametrize(("form", "read"), [("msgpack", decode), ("json", decode_json)])
def test_a_batch_from_before_its_events_were_dated_is_still_read(form, read):
    assert read((FILES / f"batch-1.{form}").read_bytes(), BatchEntry) == RECORDS[1]
