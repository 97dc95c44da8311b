"""Event logs of Windows: public recordings, compared with a reader that is not ours, and files that mean ill."""

import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phalanx.core import BatchId, TenantId, derive_id
from phalanx.intel import read_lines
from phalanx.intel._limits import MAX_XML_STEPS
from phalanx.intel.reading._binxml import filetime, value_of
from phalanx.intel.reading._evtx import EVTX_CHUNK_BYTES, EVTX_HEADER_BYTES, chunk_lines

pytestmark = pytest.mark.requirement("INT-1")
NOW_NS = 1_772_440_200_000_000_000


@pytest.fixture(scope="session")
def samples(shared_data):
    files = sorted((shared_data / "logs" / "evtx_attack_samples").rglob("*.evtx"))
    assert len(files) > 200
    return files


def chunks_of(data):
    return [data[at : at + EVTX_CHUNK_BYTES] for at in range(EVTX_HEADER_BYTES, len(data), EVTX_CHUNK_BYTES)]


def lines_of(data):
    return [line for number, chunk in enumerate(chunks_of(data)) for line in chunk_lines(chunk, number)]


def read(lines):
    return read_lines(
        lines, reader="windows", tenant=TenantId("t"), batch=BatchId(derive_id(NOW_NS, "b")), accepted_at_ns=NOW_NS
    )


def test_every_record_of_every_recording_is_an_event(samples):
    total = 0
    for file in samples:
        lines = lines_of(file.read_bytes())
        out = read(lines)
        assert not out.rejected, (file.name, out.rejected[0].reason)
        total += out.events
    assert total == 8_255


def leaves(value, name=""):
    """Names and texts of what the other reader says."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        if key == "#attributes":
            yield from ((f"@{attribute}", text) for attribute, text in inner.items())
        else:
            yield from leaves(inner, name if key == "#text" else key)


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(text, value))
    return "" if value is None else str(value)


def test_a_reader_that_is_not_ours_says_the_same(samples):
    evtx = pytest.importorskip("evtx", reason="the other reader (extra dev) is not installed")
    compared = 0
    for file in samples[::3]:
        ours = [json.loads(line) for line in lines_of(file.read_bytes())]
        theirs = [json.loads(record["data"])["Event"] for record in evtx.PyEvtxParser(str(file)).records_json()]
        assert len(ours) == len(theirs), file.name
        for own, other in zip(ours, theirs, strict=True):
            said = "\x1f".join(map(text, own.values())).lower()
            for name, value in leaves(other):
                wanted = text(value).strip().lower()
                # Namespaces are not kept; times have one digit more here.
                if wanted and not name.startswith("@xmlns"):
                    assert wanted in said or wanted.removesuffix("z") in said, (file.name, name, wanted)
            compared += 1
    assert compared > 1_500


def test_names_are_those_that_rules_ask_for(samples):
    found = {}
    for file in samples[:120]:
        for line in lines_of(file.read_bytes()):
            fields = json.loads(line)
            found.setdefault((fields.get("Channel"), fields["EventID"]), fields)
    started = found["Microsoft-Windows-Sysmon/Operational", 1]
    assert {"Image", "CommandLine", "ParentImage", "User", "Hostname", "RecordNumber", "UtcTime"} <= started.keys()
    (batch,) = read([json.dumps(started).encode()]).batches
    assert str(batch.log_source) == "windows/process_creation/sysmon"


@pytest.fixture(scope="session")
def a_chunk(samples):
    """A chunk with several records, cut to what it uses."""
    return next(c for f in samples for c in chunks_of(f.read_bytes()) if 3 <= len(list(chunk_lines(c, 0))) <= 12)


@given(st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wrong_bytes_anywhere_do_no_harm(a_chunk, data):
    chunk = bytearray(a_chunk)
    used = len(a_chunk.rstrip(b"\0"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, used - 1))
        wrong = data.draw(st.binary(min_size=1, max_size=8))
        chunk[at : at + len(wrong)] = wrong
    for line in chunk_lines(bytes(chunk), 0):
        assert b"\n" not in line
        assert line.startswith(b"phalanx unread: ") or isinstance(json.loads(line), dict)


@given(st.binary(max_size=400), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_garbage_behind_a_chunk_header_does_no_harm(body, n_records):
    records = b"".join(
        struct.pack("<4sIQQ", b"**\0\0", len(body) + 28, n, n) + body + b"\0\0\0\0" for n in range(n_records)
    )
    chunk = (b"ElfChnk\0" + bytes(504) + records + body).ljust(EVTX_CHUNK_BYTES, b"\0")
    for line in chunk_lines(chunk, 0):
        assert line.startswith((b"phalanx unread: ", b"{"))


def element(name_at, content, *, close=b"\x04"):
    return b"\x01" + struct.pack("<HII", 0xFFFF, 0, name_at) + b"\x02" + content + close


def template_chunk(content, values):
    """A chunk whose one record is <Event> with ``content``, a template at its own place."""
    name_at, record_at = 512 + 2_000, 512
    definition_at = record_at + 24 + 4 + 10
    body = b"\x0f\x01\x01\x00" + element(name_at, content) + b"\0"
    definition = struct.pack("<I16sI", 0, b"g" * 16, len(body)) + body
    heads = b"".join(struct.pack("<HBB", len(data), kind, 0) for kind, data in values)
    data = struct.pack("<I", len(values)) + heads + b"".join(data for _, data in values)
    binary = b"\x0f\x01\x01\x00" + b"\x0c\x01" + struct.pack("<II", 0, definition_at) + definition + data
    record = struct.pack("<4sIQQ", b"**\0\0", len(binary) + 28, 7, 0) + binary + bytes(4)
    name = struct.pack("<IHH", 0, 0, 5) + "Event".encode("utf-16-le") + b"\0\0"
    chunk = bytearray(b"ElfChnk\0".ljust(512, b"\0") + record)
    assert len(chunk) <= name_at
    chunk = chunk.ljust(name_at, b"\0") + name
    return bytes(chunk.ljust(EVTX_CHUNK_BYTES, b"\0"))


def test_templates_that_ask_for_each_other_again_and_again_are_stopped():
    inner = b"\x0f\x01\x01\x00\x0c\x01" + struct.pack("<II", 0, 550) + struct.pack("<I", 1)
    nested = b""
    for _ in range(6):
        nested = inner + struct.pack("<HBB", len(nested), 0x21, 0) + nested
    chunk = template_chunk(b"\x0d\x00\x00\x21" * 200, [(0x21, nested)])
    line = next(chunk_lines(chunk, 0))
    assert b"steps to read" in line or b"nested deeper" in line, line[:200]
    assert MAX_XML_STEPS < 1_000_000


def test_a_record_that_is_damaged_is_told_of_and_the_next_is_read(a_chunk):
    whole = list(chunk_lines(a_chunk, 0))
    broken = bytearray(a_chunk)
    second = a_chunk.index(b"**\0\0", 520)
    broken[second : second + 4] = b"xxxx"
    lines = list(chunk_lines(bytes(broken), 4))
    told = [line for line in lines if line.startswith(b"phalanx unread: ")]
    assert len(told) == 1
    assert f"chunk 4 of the event log is damaged at {second}".encode() in told[0]
    assert len(lines) == len(whole)
    assert "is damaged at" in read(lines).rejected[0].reason


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (0x00, b"", None), (0x01, "aé".encode("utf-16-le"), "aé"), (0x02, b"a\xe9\0", "aé"), (0x03, b"\xff", -1),
        (0x08, b"\x01\0\0\0", 1), (0x0A, b"\xff" * 8, 2**64 - 1), (0x0D, b"\x01\0\0\0", True),
        (0x0E, b"\xde\xad", "DEAD"), (0x13, bytes([1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]), "S-1-5-18"),
        (0x14, b"\x10\x10\0\0", "0x1010"), (0x81, "a\0b\0".encode("utf-16-le"), ["a", "b"]),
        (0x0F, bytes(range(16)), "{03020100-0504-0706-0809-0A0B0C0D0E0F}"), (0x88, b"\x01\0\0\0\x02\0\0\0", [1, 2]),
        (0x12, struct.pack("<8H", 2026, 3, 1, 2, 8, 29, 0, 250), "2026-03-02T08:29:00.250Z"),
        (0x08, b"\x01", "01"), (0x13, b"\x01", "01"), (0x77, b"\x01", "01"),
    ],
)  # fmt: skip
def test_values_of_every_kind(kind, data, value):
    assert value_of(kind, data) == value


def test_a_file_time_is_iso_to_its_last_digit():
    assert filetime(132_000_000_000_000_001) == "2019-04-17T18:40:00.0000001Z"
    assert filetime(2**64 - 1) == str(2**64 - 1)
