"""Windows events as JSON: flat as NXLog writes them, or as Winlogbeat does.

Winlogbeat writes them under ``winlog``, and before version 7 beside what the shipper adds (``log_name``, ``event_id``);
further shapes are in ``_windows_shapes``.

Fields of the event itself keep the names Windows gives them (``CommandLine``,
``TargetUserName``), which is what Sigma rules are written for; what the shipper nests elsewhere
keeps its path. Channel and event id decide the log source.
"""

from functools import lru_cache
from typing import Any

from phalanx.core import LogSource, Value
from phalanx.intel._errors import BadLine
from phalanx.intel._limits import MEMO_VALUES
from phalanx.intel.reading._fields import ReadEvent, flatten, time_from_text
from phalanx.intel.reading._windows_shapes import flat_shape, is_other_shape

_SERVICES = {
    "application": "application",
    "microsoft-windows-bits-client/operational": "bits-client",
    "microsoft-windows-dns-client/operational": "dns-client",
    "microsoft-windows-powershell/operational": "powershell",
    "microsoft-windows-sysmon/operational": "sysmon",
    "microsoft-windows-taskscheduler/operational": "taskscheduler",
    "microsoft-windows-terminalservices-localsessionmanager/operational": "terminalservices-localsessionmanager",
    "microsoft-windows-windows defender/operational": "windefend",
    "microsoft-windows-wmi-activity/operational": "wmi",
    "powershellcore/operational": "powershell",
    "security": "security",
    "system": "system",
    "windows powershell": "powershell-classic",
}

# Sigma's categories by (service, event id).
_CATEGORIES = {
    ("sysmon", 1): "process_creation",
    ("sysmon", 2): "file_change",
    ("sysmon", 3): "network_connection",
    ("sysmon", 5): "process_termination",
    ("sysmon", 6): "driver_load",
    ("sysmon", 7): "image_load",
    ("sysmon", 8): "create_remote_thread",
    ("sysmon", 9): "raw_access_thread",
    ("sysmon", 10): "process_access",
    ("sysmon", 11): "file_event",
    ("sysmon", 12): "registry_add",
    ("sysmon", 13): "registry_set",
    ("sysmon", 14): "registry_rename",
    ("sysmon", 15): "create_stream_hash",
    ("sysmon", 17): "pipe_created",
    ("sysmon", 18): "pipe_created",
    ("sysmon", 19): "wmi_event",
    ("sysmon", 20): "wmi_event",
    ("sysmon", 21): "wmi_event",
    ("sysmon", 22): "dns_query",
    ("sysmon", 23): "file_delete",
    ("sysmon", 25): "process_tampering",
    ("sysmon", 26): "file_delete",
    ("security", 4688): "process_creation",
    ("powershell", 4103): "ps_module",
    ("powershell", 4104): "ps_script",
    ("powershell-classic", 400): "ps_classic_start",
}

# What Winlogbeat wrote at the top of its events before version 7, and where it writes it since.
_OLD_WINLOG_NAMES = {
    "activity_id": "activity_id",
    "computer_name": "computer_name",
    "event_data": "event_data",
    "event_id": "event_id",
    "keywords": "keywords",
    "log_name": "channel",
    "opcode": "opcode",
    "process_id": "process_id",
    "provider_guid": "provider_guid",
    "record_number": "record_id",
    "related_activity_id": "related_activity_id",
    "source_name": "provider_name",
    "task": "task",
    "thread_id": "thread_id",
    "user": "user",
    "user_data": "user_data",
    "version": "version",
}

# Winlogbeat's places for what every Windows event has, under the names of the flat form.
_WINLOG_NAMES = {
    "channel": "Channel",
    "computer_name": "Hostname",
    "event_id": "EventID",
    "provider_name": "SourceName",
    "record_id": "RecordNumber",
}


@lru_cache(maxsize=MEMO_VALUES)
def _log_source(channel: str, event: int, event_type: str) -> LogSource:
    service = _SERVICES.get(channel.lower(), "")
    category = _CATEGORIES.get((service, event), "")
    if category == "registry_add" and event_type == "DeleteKey":
        category = "registry_delete"
    return LogSource("windows", category, service)


def is_windows(record: dict[str, Any]) -> bool:
    """Whether a decoded line looks like a Windows event."""
    return (
        "winlog" in record
        or ("EventID" in record and ("Channel" in record or "SourceName" in record))
        or _is_old_winlog(record)
        or is_other_shape(record)
    )


def _is_old_winlog(record: dict[str, Any]) -> bool:
    return "event_id" in record and "log_name" in record and "source_name" in record


def read_windows(record: dict[str, Any], accepted_at_ns: int) -> ReadEvent:
    """Raises ``BadLine`` when channel or event id is missing."""
    if "EventID" not in record and _is_old_winlog(record):
        record = _renewed(record)
    elif "EventID" not in record:
        record = flat_shape(record)
    fields = flatten(record) if "winlog" not in record else _unnest(record)
    channel = fields.get("Channel")
    if channel is None:
        channel = fields.get("SourceName")
    event = _event_number(fields.get("EventID"))
    if channel.__class__ is not str or event is None:
        raise BadLine("a Windows event needs a Channel (or SourceName) and a numeric EventID")
    # Only the registry's event 12 says in a field what it is; others must not spread the memo.
    event_type = str(fields.get("EventType", "")) if event == 12 else ""
    return ReadEvent(_log_source(str(channel)[:128], event, event_type[:16]), _time_ns(fields, accepted_at_ns), fields)


def _event_number(value: Value) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return None


def _time_ns(fields: dict[str, Value], accepted_at_ns: int) -> int:
    # Sysmon's own time first; EventTime comes last because NXLog writes it without its zone.
    for name in ("UtcTime", "TimeCreated", "@timestamp", "EventTime"):
        value = fields.get(name)
        if value is not None:
            time_ns = time_from_text(value)
            if time_ns is not None:
                return time_ns
    return accepted_at_ns


def _renewed(record: dict[str, Any]) -> dict[str, Any]:
    """An event of an old Winlogbeat as a newer one writes it."""
    winlog = {new: record[old] for old, new in _OLD_WINLOG_NAMES.items() if old in record}
    return {name: value for name, value in record.items() if name not in _OLD_WINLOG_NAMES} | {"winlog": winlog}


def _unnest(record: dict[str, Any]) -> dict[str, Value]:
    winlog = record["winlog"]
    if winlog.__class__ is not dict:
        raise BadLine("winlog is not an object")
    rest = {name: value for name, value in record.items() if name != "winlog"}
    own: dict[str, Any] = {}
    for name, value in winlog.items():
        if name in ("event_data", "user_data") and value.__class__ is dict:
            own.update(value)
        elif name in _WINLOG_NAMES:
            own[_WINLOG_NAMES[name]] = value
        else:
            rest[f"winlog.{name}"] = value
    if "message" in rest:
        own.setdefault("Message", rest.pop("message"))
    return flatten(rest | own)
