"""OCSF as a view: an event's own fields under the names of the Open Cybersecurity Schema Framework.

The tables say, per log source, which class an event is and which of its fields stands for which
attribute. What no table names is kept under ``unmapped``, so the view loses nothing. Events of
sources without a table are shown as OCSF's base event.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from phalanx.core import NS_PER_MS, Event, Value
from phalanx.intel.sigma._view import as_text

# The version of the schema that the tables were checked against.
OCSF_VERSION: Final = "1.9.0-dev"

_SEVERITY_INFORMATIONAL = 1


class OcsfClass(NamedTuple):
    """A class of OCSF and the activity in it."""

    class_uid: int
    class_name: str
    category_uid: int
    category_name: str
    activity_id: int
    activity_name: str


_SYSTEM = (1, "System Activity")
_IAM = (3, "Identity & Access Management")
_NETWORK = (4, "Network Activity")

_BASE = OcsfClass(0, "Base Event", 0, "Uncategorized", 0, "Unknown")
_LAUNCH = OcsfClass(1007, "Process Activity", *_SYSTEM, 1, "Launch")
_TERMINATE = OcsfClass(1007, "Process Activity", *_SYSTEM, 2, "Terminate")
_OPEN_PROCESS = OcsfClass(1007, "Process Activity", *_SYSTEM, 3, "Open")
_CREATE_FILE = OcsfClass(1001, "File System Activity", *_SYSTEM, 1, "Create")
_RUN_SCRIPT = OcsfClass(1009, "Script Activity", *_SYSTEM, 1, "Execute")
_START_JOB = OcsfClass(1006, "Scheduled Job Activity", *_SYSTEM, 6, "Start")
_SET_VALUE = OcsfClass(201002, "Registry Value Activity", *_SYSTEM, 2, "Set")
_CREATE_SERVICE = OcsfClass(201004, "Windows Service Activity", *_SYSTEM, 1, "Create")
_LOG_ON = OcsfClass(3002, "Authentication", *_IAM, 1, "Logon")
_LOG_OFF = OcsfClass(3002, "Authentication", *_IAM, 2, "Logoff")
_OPEN_CONNECTION = OcsfClass(4001, "Network Activity", *_NETWORK, 1, "Open")
_TRAFFIC = OcsfClass(4001, "Network Activity", *_NETWORK, 6, "Traffic")
_ASK_NAME = OcsfClass(4003, "DNS Activity", *_NETWORK, 1, "Query")
_NAME_TRAFFIC = OcsfClass(4003, "DNS Activity", *_NETWORK, 6, "Traffic")
_REQUEST = OcsfClass(4002, "HTTP Activity", *_NETWORK, 0, "Unknown")

_HTTP_ACTIVITIES = {
    "CONNECT": (1, "Connect"),
    "DELETE": (2, "Delete"),
    "GET": (3, "Get"),
    "HEAD": (4, "Head"),
    "OPTIONS": (5, "Options"),
    "POST": (6, "Post"),
    "PUT": (7, "Put"),
    "TRACE": (8, "Trace"),
}


def _integer(value: Value) -> int | None:
    """A whole number, also when Windows writes it as text or in hexadecimal."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(as_text(value)[:20], 0)
    except ValueError:
        return None


def _basename(value: Value) -> str:
    return as_text(value).replace("\\", "/").rpartition("/")[2]


def _login_status(value: Value) -> int:
    """OCSF's success or failure."""
    return 1 if value == "accepted" else 2


Convert = Callable[[Value], Any]
# Attribute path, field, conversion.
Mapped = tuple[tuple[str, str, Convert], ...]


def _process(prefix: str, image: str, *, pid: str = "", uid: str = "", command: str = "") -> Mapped:
    rows: list[tuple[str, str, Convert]] = [
        (f"{prefix}.name", image, _basename),
        (f"{prefix}.file.name", image, _basename),
        (f"{prefix}.file.path", image, as_text),
    ]
    rows += [(f"{prefix}.pid", pid, _integer)] if pid else []
    rows += [(f"{prefix}.uid", uid, as_text)] if uid else []
    rows += [(f"{prefix}.cmd_line", command, as_text)] if command else []
    return tuple(rows)


_WINDOWS: Mapped = (
    ("device.hostname", "Hostname", as_text),
    ("metadata.log_name", "Channel", as_text),
    ("metadata.log_provider", "SourceName", as_text),
    ("metadata.event_code", "EventID", as_text),
)
_SYSMON_ACTOR: Mapped = (
    ("actor.user.name", "User", as_text),
    *_process("actor.process", "Image", pid="ProcessId", uid="ProcessGuid"),
)
_SYSLOG: Mapped = (
    ("device.hostname", "hostname", as_text),
    ("metadata.log_provider", "program", as_text),
    ("message", "message", as_text),
)
_ZEEK: Mapped = (
    ("src_endpoint.ip", "id.orig_h", as_text),
    ("src_endpoint.port", "id.orig_p", _integer),
    ("dst_endpoint.ip", "id.resp_h", as_text),
    ("dst_endpoint.port", "id.resp_p", _integer),
    ("connection_info.uid", "uid", as_text),
    ("connection_info.protocol_name", "proto", as_text),
    ("metadata.log_name", "_path", as_text),
)
_LOGON: Mapped = (
    *_WINDOWS,
    ("user.name", "TargetUserName", as_text),
    ("user.domain", "TargetDomainName", as_text),
    ("session.uid", "TargetLogonId", as_text),
    ("logon_type_id", "LogonType", _integer),
    ("src_endpoint.ip", "IpAddress", as_text),
    ("src_endpoint.port", "IpPort", _integer),
    ("src_endpoint.name", "WorkstationName", as_text),
)

_TABLES: Mapping[tuple[str, int | str], tuple[OcsfClass, Mapped]] = {
    ("sysmon", 1): (
        _LAUNCH,
        (
            *_WINDOWS,
            ("actor.user.name", "User", as_text),
            *_process("actor.process", "ParentImage", pid="ParentProcessId", uid="ParentProcessGuid"),
            ("actor.process.cmd_line", "ParentCommandLine", as_text),
            *_process("process", "Image", pid="ProcessId", uid="ProcessGuid", command="CommandLine"),
            ("process.user.name", "User", as_text),
            ("process.working_directory", "CurrentDirectory", as_text),
            ("process.integrity", "IntegrityLevel", as_text),
        ),
    ),
    ("sysmon", 3): (
        _OPEN_CONNECTION,
        (
            *_WINDOWS,
            *_SYSMON_ACTOR,
            ("src_endpoint.ip", "SourceIp", as_text),
            ("src_endpoint.port", "SourcePort", _integer),
            ("dst_endpoint.ip", "DestinationIp", as_text),
            ("dst_endpoint.port", "DestinationPort", _integer),
            ("connection_info.protocol_name", "Protocol", as_text),
        ),
    ),
    ("sysmon", 5): (_TERMINATE, (*_WINDOWS, *_process("process", "Image", pid="ProcessId", uid="ProcessGuid"))),
    ("sysmon", 10): (
        _OPEN_PROCESS,
        (
            *_WINDOWS,
            *_process("actor.process", "SourceImage", pid="SourceProcessId", uid="SourceProcessGUID"),
            *_process("process", "TargetImage", pid="TargetProcessId", uid="TargetProcessGUID"),
            ("requested_permissions", "GrantedAccess", _integer),
        ),
    ),
    ("sysmon", 11): (
        _CREATE_FILE,
        (
            *_WINDOWS,
            *_SYSMON_ACTOR,
            ("file.path", "TargetFilename", as_text),
            ("file.name", "TargetFilename", _basename),
        ),
    ),
    ("sysmon", 13): (
        _SET_VALUE,
        (
            *_WINDOWS,
            *_SYSMON_ACTOR,
            ("reg_value.path", "TargetObject", as_text),
            ("reg_value.name", "TargetObject", _basename),
            ("reg_value.data", "Details", as_text),
        ),
    ),
    ("sysmon", 22): (
        _ASK_NAME,
        (*_WINDOWS, *_SYSMON_ACTOR, ("query.hostname", "QueryName", as_text)),
    ),
    ("security", 4624): (_LOG_ON, _LOGON),
    ("security", 4634): (_LOG_OFF, _LOGON),
    ("security", 4688): (
        _LAUNCH,
        (
            *_WINDOWS,
            ("actor.user.name", "SubjectUserName", as_text),
            ("actor.user.domain", "SubjectDomainName", as_text),
            *_process("actor.process", "ParentProcessName", pid="ProcessId"),
            *_process("process", "NewProcessName", pid="NewProcessId", command="CommandLine"),
        ),
    ),
    ("system", 7045): (
        _CREATE_SERVICE,
        (*_WINDOWS, ("win_service.name", "ServiceName", as_text), ("win_service.cmd_line", "ImagePath", as_text)),
    ),
    ("powershell", 4104): (
        _RUN_SCRIPT,
        (
            *_WINDOWS,
            ("script.script_content.value", "ScriptBlockText", as_text),
            ("script.uid", "ScriptBlockId", as_text),
        ),
    ),
    ("sshd", ""): (
        _LOG_ON,
        (
            *_SYSLOG,
            ("user.name", "user", as_text),
            ("auth_protocol", "auth_method", as_text),
            ("status_id", "action", _login_status),
            ("src_endpoint.ip", "src_ip", as_text),
            ("src_endpoint.port", "src_port", _integer),
        ),
    ),
    ("sudo", ""): (
        _LAUNCH,
        (
            *_SYSLOG,
            ("actor.user.name", "user", as_text),
            ("process.cmd_line", "command", as_text),
            ("process.user.name", "target_user", as_text),
            ("process.working_directory", "pwd", as_text),
        ),
    ),
    ("cron", ""): (_START_JOB, (*_SYSLOG, ("job.cmd_line", "command", as_text), ("job.user.name", "user", as_text))),
    ("conn", ""): (
        _TRAFFIC,
        (
            *_ZEEK,
            ("app_protocol_name", "service", as_text),
            ("traffic.bytes_out", "orig_bytes", _integer),
            ("traffic.bytes_in", "resp_bytes", _integer),
            ("traffic.packets_out", "orig_pkts", _integer),
            ("traffic.packets_in", "resp_pkts", _integer),
            ("connection_info.flag_history", "history", as_text),
        ),
    ),
    ("dns", ""): (
        _NAME_TRAFFIC,
        (
            *_ZEEK,
            ("query.hostname", "query", as_text),
            ("query.type", "qtype_name", as_text),
            ("rcode", "rcode_name", as_text),
        ),
    ),
    ("http", ""): (
        _REQUEST,
        (
            *_ZEEK,
            ("http_request.http_method", "method", as_text),
            ("http_request.url.hostname", "host", as_text),
            ("http_request.url.path", "uri", as_text),
            ("http_request.user_agent", "user_agent", as_text),
            ("http_response.code", "status_code", _integer),
        ),
    ),
}
_OTHERS: Mapping[str, Mapped] = {"linux": _SYSLOG, "windows": _WINDOWS, "zeek": _ZEEK[:4]}

_VENDORS = {"linux": "Linux", "windows": "Microsoft", "zeek": "Zeek"}


def ocsf_view(event: Event) -> dict[str, Any]:
    """The event as an OCSF object of the class its table names, or as a base event."""
    fields = event.fields()
    ocsf, mapped = _table(event, fields)
    view: dict[str, Any] = {}
    used = set()
    for path, name, convert in mapped:
        value = convert(fields[name]) if name in fields else None
        if value not in (None, "", "-"):
            _place(view, path.split("."), value)
            used.add(name)
    source = event.batch.log_source
    metadata = view.setdefault("metadata", {})
    metadata |= {
        "version": OCSF_VERSION,
        "uid": event.id,
        "tenant_uid": event.batch.tenant,
        "logged_time": event.batch.accepted_at_ns // NS_PER_MS,
        "log_source": str(source),
        "product": {"name": source.product or "unknown", "vendor_name": _VENDORS.get(source.product, "unknown")},
    }
    return view | {
        **ocsf._asdict(),
        "type_uid": ocsf.class_uid * 100 + ocsf.activity_id,
        "severity_id": _SEVERITY_INFORMATIONAL,
        "time": event.time_ns // NS_PER_MS,
        "raw_data": event.raw.decode("utf-8", "backslashreplace"),
        "unmapped": {name: value for name, value in fields.items() if name not in used},
    }


def _table(event: Event, fields: Mapping[str, Value]) -> tuple[OcsfClass, Mapped]:
    source = event.batch.log_source
    code = _integer(fields.get("EventID")) if source.product == "windows" else ""
    ocsf, mapped = _TABLES.get((source.service, code if code is not None else ""), (_BASE, ()))
    if ocsf is _BASE:
        return _BASE, _OTHERS.get(source.product, ())
    if source.service == "sshd" and "action" not in fields:
        return _BASE, _SYSLOG
    if ocsf is _REQUEST:
        activity = _HTTP_ACTIVITIES.get(as_text(fields.get("method")).upper())
        ocsf = ocsf if activity is None else ocsf._replace(activity_id=activity[0], activity_name=activity[1])
    return ocsf, mapped


def _place(view: dict[str, Any], path: list[str], value: Any) -> None:
    at = view
    for name in path[:-1]:
        at = at.setdefault(name, {})
    at[path[-1]] = value
