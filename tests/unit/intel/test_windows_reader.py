"""Windows events as JSON: flat and nested, where they are routed, when they happened."""

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, Event, LogSource, ns_from_iso
from phalanx.intel import read_chunk

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
ACCEPTED_NS = ns_from_iso("2026-03-02T10:00:00Z")


def read(*records, reader="auto"):
    data = b"\n".join(msgspec.json.encode(record) for record in records)
    return read_chunk(data, reader=reader, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS)


def only_event(out):
    (batch,) = out.batches
    assert len(batch) == 1
    assert not out.rejected
    return Event(batch, 0)


SYSMON = {
    "EventTime": "2026-03-02 11:00:00",
    "Hostname": "ws-07.corp.example",
    "EventID": 1,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "UtcTime": "2026-03-02 09:59:58.250",
    "Image": "C:\\Windows\\System32\\cmd.exe",
    "CommandLine": "cmd.exe /c dir",
    "tags": ["a", "b"],
}


def test_a_flat_event_keeps_its_own_field_names():
    event = only_event(read(SYSMON))
    assert event.batch.log_source == LogSource("windows", "process_creation", "sysmon")
    assert event.get("CommandLine") == "cmd.exe /c dir"
    assert event.get("tags") == '["a","b"]'
    assert event.fields().keys() == SYSMON.keys()


def test_the_time_of_sysmon_wins_over_the_shippers_local_time():
    assert only_event(read(SYSMON)).time_ns == ns_from_iso("2026-03-02T09:59:58.250Z")


@pytest.mark.parametrize("stamp", ["", "yesterday", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", 7, None])
def test_without_a_usable_time_the_event_happened_when_it_was_accepted(stamp):
    record = {"EventID": 4624, "Channel": "Security", "TimeCreated": stamp}
    assert only_event(read(record)).time_ns == ACCEPTED_NS


def test_a_nested_event_is_brought_to_the_same_names():
    record = {
        "@timestamp": "2026-03-02T09:59:00.000Z",
        "message": "Process Create",
        "host": {"name": "collector"},
        "winlog": {
            "channel": "Microsoft-Windows-Sysmon/Operational",
            "event_id": "1",
            "computer_name": "ws-07.corp.example",
            "record_id": 12,
            "event_data": {"Image": "C:\\a.exe", "CommandLine": "a"},
            "task": "Process Create",
        },
    }
    event = only_event(read(record))
    assert event.batch.log_source == LogSource("windows", "process_creation", "sysmon")
    assert event.get("Hostname") == "ws-07.corp.example"
    assert event.get("Image") == "C:\\a.exe"
    assert event.get("Message") == "Process Create"
    assert event.get("host.name") == "collector"
    assert event.get("winlog.task") == "Process Create"
    assert event.time_ns == ns_from_iso("2026-03-02T09:59:00Z")


@pytest.mark.parametrize(
    ("record", "source"),
    [
        ({"Channel": "Security", "EventID": 4688}, LogSource("windows", "process_creation", "security")),
        ({"Channel": "security", "EventID": "4624"}, LogSource("windows", "", "security")),
        ({"Channel": "System", "EventID": 7045}, LogSource("windows", "", "system")),
        (
            {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 12, "EventType": "DeleteKey"},
            LogSource("windows", "registry_delete", "sysmon"),
        ),
        (
            {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 12, "EventType": "CreateKey"},
            LogSource("windows", "registry_add", "sysmon"),
        ),
        (
            {"Channel": "Microsoft-Windows-PowerShell/Operational", "EventID": 4104},
            LogSource("windows", "ps_script", "powershell"),
        ),
        ({"Channel": "Something-Unheard-Of", "EventID": 1}, LogSource("windows", "", "")),
    ],
)
def test_channel_and_event_id_decide_the_log_source(record, source):
    assert only_event(read(record)).batch.log_source == source


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"Channel": "Security", "EventID": "x"}, "numeric EventID"),
        ({"Channel": "Security", "EventID": True}, "numeric EventID"),
        ({"Channel": 3, "EventID": 1}, "Channel"),
        ({"winlog": 3}, "winlog is not an object"),
        ({"winlog": {}}, "needs a Channel"),
    ],
)
def test_what_is_missing_is_named(record, reason):
    out = read(record, reader="windows")
    (rejected,) = out.rejected
    assert reason in rejected.reason
    assert not out.batches


@pytest.mark.requirement("INT-1")
def test_winlogbeat_before_version_7_is_read_as_later_ones():
    old = {
        "@timestamp": "2019-05-18T20:43:35.605Z", "beat": {"version": "6.7.0"}, "type": "wineventlog",
        "log_name": "Microsoft-Windows-Sysmon/Operational", "source_name": "Microsoft-Windows-Sysmon", "event_id": 1,
        "computer_name": "HR001", "record_number": "7", "user": {"name": "SYSTEM"}, "message": "Process Create:",
        "event_data": {"Image": "C:\\cmd.exe", "UtcTime": "2019-05-18 20:43:35.600"},
    }  # fmt: skip
    event = only_event(read(old))
    assert event.batch.log_source == LogSource("windows", "process_creation", "sysmon")
    assert event.time_ns == ns_from_iso("2019-05-18T20:43:35.600Z")
    assert event.fields() == {
        "@timestamp": "2019-05-18T20:43:35.605Z", "beat.version": "6.7.0", "type": "wineventlog",
        "Channel": "Microsoft-Windows-Sysmon/Operational", "SourceName": "Microsoft-Windows-Sysmon", "EventID": 1,
        "Hostname": "HR001", "RecordNumber": "7", "winlog.user.name": "SYSTEM", "Message": "Process Create:",
        "Image": "C:\\cmd.exe", "UtcTime": "2019-05-18 20:43:35.600",
    }  # fmt: skip


SYSTEM = {
    "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon", "Guid": "{5770385F}"}},
    "EventID": 1,
    "Version": 5,
    "TimeCreated": {"#attributes": {"SystemTime": "2026-03-02T09:59:58.250Z"}},
    "EventRecordID": 77,
    "Execution": {"#attributes": {"ProcessID": 4, "ThreadID": 8}},
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Computer": "ws-07.corp.example",
}
COMMAND = {"Image": "C:\\Windows\\System32\\cmd.exe", "CommandLine": "cmd.exe /c dir"}
AT_SIGNS = {
    **SYSTEM,
    "Provider": {"@Name": "Microsoft-Windows-Sysmon"},
    "EventID": {"#text": "1", "@Qualifiers": "0"},
    "TimeCreated": {"@SystemTime": "2026-03-02T09:59:58.250Z"},
    "Execution": {"@ProcessID": "4"},
}
WAZUH = {
    "system": {
        "channel": "Microsoft-Windows-Sysmon/Operational", "eventID": "1", "computer": "ws-07.corp.example",
        "providerName": "Microsoft-Windows-Sysmon", "systemTime": "2026-03-02T09:59:58.2500000Z", "eventRecordID": "77",
    },
    "eventdata": {"image": COMMAND["Image"], "commandLine": COMMAND["CommandLine"]},
}  # fmt: skip


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize(
    "record",
    [
        {"Event": {"System": SYSTEM, "EventData": COMMAND}},
        {"Event": {"@xmlns": "http://schemas", "System": AT_SIGNS, "EventData": {"Data": [
            {"@Name": name, "#text": value} for name, value in COMMAND.items()
        ]}}},
        {"Event": {"System": SYSTEM, "EventData": {"Data": [
            {"#attributes": {"Name": name}, "#text": value} for name, value in COMMAND.items()
        ]}}},
        {"Event": {"System": SYSTEM, "UserData": {"Process": {"#attributes": {"xmlns": "x"}, **COMMAND}}}},
        {"win": WAZUH},
        {"data": {"win": WAZUH}, "agent": {"name": "ws-07"}, "rule": {"id": "1"}},
    ],
    ids=["evtx_dump", "xmltodict", "named data", "user data", "wazuh decoded", "wazuh alert"],
)  # fmt: skip
@pytest.mark.parametrize("reader", ["auto", "windows"])
def test_other_shapes_are_the_same_event(record, reader):
    event = only_event(read(record, reader=reader))
    assert event.batch.reader == "windows"
    assert event.batch.log_source == LogSource("windows", "process_creation", "sysmon")
    assert event.time_ns == ns_from_iso("2026-03-02T09:59:58.250Z")
    assert {name: event.get(name) for name in COMMAND} == COMMAND
    assert event.get("Hostname") == "ws-07.corp.example"
    assert str(event.get("RecordNumber")) == "77"
    assert event.get("SourceName") == "Microsoft-Windows-Sysmon"


@pytest.mark.parametrize(
    "record",
    [
        {"Event": {"System": {}}},
        {
            "Event": {
                "System": {"EventID": {"#text": {}}, "Channel": []},
                "EventData": {"Data": [1, {"@Name": 5}, None]},
            }
        },
        {"win": {"system": {}, "eventdata": []}},
    ],
)
def test_what_only_looks_like_one_is_rejected_with_the_reason(record):
    (rejected,) = read(record).rejected
    assert "Channel" in rejected.reason


def test_an_event_of_misp_is_none_of_windows():
    (rejected,) = read({"Event": {"info": "x", "Attribute": []}}).rejected
    assert "misp" in rejected.reason
