"""Chunks of mixed lines: rows, batches, rejects, bounds."""

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, MAX_EVENT_BYTES, BatchId, InvalidInput, event_id, ns_from_iso
from phalanx.intel import read_chunk, read_lines

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
WINDOWS = b'{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Image":"a.exe"}'
SSHD = b"Mar  2 09:00:00 web-01 sshd[1]: hello"
CONN = b'{"_path":"conn","ts":1772443800.0,"id.orig_h":"192.0.2.1"}'


def read(data, **options):
    return read_chunk(data, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=1_772_443_800_000_000_000, **options)


def test_every_line_is_an_event_or_a_reject_and_blank_ones_do_not_count():
    data = b"\xef\xbb\xbf" + b"\r\n".join([WINDOWS, b"", SSHD, b"  ", b"???", CONN, WINDOWS]) + b"\n\n"
    out = read(data)
    rows = {str(batch.log_source): list(batch.rows) for batch in out.batches}
    assert rows == {
        "windows/process_creation/sysmon": [0, 4],
        "linux/sshd": [1],
        "zeek/firewall/conn": [3],
    }
    assert [(rejected.row, rejected.raw) for rejected in out.rejected] == [(2, b"???")]
    assert out.events == 4


def test_an_events_id_is_its_batch_and_row():
    out = read(b"\n".join([SSHD, WINDOWS]))
    assert [event.id for event in out.batches[1]] == [event_id(BATCH, 1)]
    assert out.batches[1].raw == [WINDOWS]


@pytest.mark.parametrize(("when", "is_kept"), [("2262-04-11T23:47:16Z", True), ("2262-04-11T23:47:17Z", False),
                                               ("9999-12-31T23:59:59Z", False)])  # fmt: skip
def test_a_time_that_64_bits_do_not_count_is_no_time(when, is_kept):
    out = read(b"<38>1 %s web-01 app 1 - - x" % when.encode())
    (time_ns,) = out.batches[0].times_ns
    assert time_ns == (ns_from_iso(when) if is_kept else 1_772_443_800_000_000_000)


def test_only_what_is_asked_about_is_kept_under_its_own_row():
    lines = [WINDOWS, SSHD, b"???", CONN, SSHD]
    out = read_lines(
        lines, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=1_772_443_800_000_000_000,
        about=lambda log_source: log_source.service == "sshd",
    )  # fmt: skip
    assert [(str(batch.log_source), list(batch.rows)) for batch in out.batches] == [("linux/sshd", [1, 4])]
    assert [rejected.row for rejected in out.rejected] == [2]


def test_lines_can_be_read_in_parts():
    whole = read(b"\n".join([WINDOWS, SSHD, CONN]))
    part = read_lines([CONN], first_row=2, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=1_772_443_800_000_000_000)
    assert next(iter(part.batches[0])).id == next(iter(whole.batches[2])).id


def test_absent_fields_are_none():
    out = read(WINDOWS + b"\n" + WINDOWS.replace(b"Image", b"CommandLine"))
    assert out.batches[0].columns["Image"] == ["a.exe", None]
    assert out.batches[0].columns["CommandLine"] == [None, "a.exe"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{" * 100_000, "not JSON"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested too deeply"),
        (b'{"EventID":1,"Channel":"c","a":' + b'{"a":' * 16 + b"1" + b"}" * 17, "nested deeper than 16"),
        (b'{"EventID":1,"Channel":"c","a":' + b"[" * 16 + b"]" * 16 + b"}", "nested deeper than 16"),
        (b'{"EventID":1,"Channel":"\xff"}', "not JSON"),
        (b'{"a":1}', "neither Windows, Zeek, Suricata, CloudTrail, ECS nor OCSF"),
        (b"[1]", "neither JSON, CEF, LEEF, syslog nor audit"),
        (b'{"EventID":1,"Channel":"c","a":"' + b"x" * MAX_EVENT_BYTES + b'"}', "longer than"),
        (b"<13>Mar  2 09:00:00 h a: " + b"x" * MAX_EVENT_BYTES, "longer than"),
        (b"[" * (MAX_EVENT_BYTES + 1), "longer than"),
        (
            msgspec.json.encode({"EventID": 1, "Channel": "c"} | {f"f{i}": i for i in range(600)}),
            "more than 512 fields",
        ),
    ],
)
def test_hostile_lines_are_rejected_with_a_reason(line, reason):
    out = read(line)
    assert not out.batches
    assert reason in out.rejected[0].reason


def test_hostile_field_names_do_not_multiply():
    """Events that share no field are split into batches, so that columns stay in proportion to the input."""
    lines = [
        msgspec.json.encode({"EventID": 1, "Channel": "c"} | {f"{n}-{i}": i for i in range(400)}) for n in range(40)
    ]
    out = read(b"\n".join(lines))
    assert out.events == 40
    assert [row for batch in out.batches for row in batch.rows] == list(range(40))
    cells = sum(len(batch) * len(batch.columns) for batch in out.batches)
    assert cells < 3 * 40 * 402
    for batch in out.batches:
        for event in batch:
            assert len(event.fields()) == 402


def test_an_unknown_reader_is_refused_by_name():
    with pytest.raises(InvalidInput, match="no reader 'xml'"):
        read(SSHD, reader="xml")


def test_a_forced_reader_takes_nothing_else():
    out = read(b"\n".join([WINDOWS, SSHD]), reader="syslog")
    assert [rejected.row for rejected in out.rejected] == [0]
    assert out.events == 1
