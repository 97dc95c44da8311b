"""Which of a source's fields stands for which attribute of OCSF: what Windows, Linux and Zeek write.

A table is kept by product, service and, for Windows, the event's number. What others write is in ``_ocsf_senders``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from phalanx.core import Value
from phalanx.intel.reading import ocsf
from phalanx.intel.reading._ocsf_class import Activity
from phalanx.intel.sigma._texts import as_text

LAUNCH = ocsf.PROCESS_ACTIVITY.activity(1)
BASE = ocsf.BASE_EVENT.activity(0)
REQUEST = ocsf.HTTP_ACTIVITY.activity(0)


def integer(value: Value) -> int | None:
    """A whole number, also when Windows writes it as text or in hexadecimal."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(as_text(value)[:20], 0)
    except ValueError:
        return None


def basename(value: Value) -> str:
    return as_text(value).replace("\\", "/").rpartition("/")[2]


def login_status(value: Value) -> int:
    """OCSF's success or failure."""
    return 1 if value == "accepted" else 2


_HTTP_ACTIVITIES = {
    name.upper(): number for number, name in ocsf.HTTP_ACTIVITY.activities.items() if number not in (0, 99)
}


def http_activity(method: Value) -> Activity:
    """The activity that a method is."""
    return ocsf.HTTP_ACTIVITY.activity(_HTTP_ACTIVITIES.get(as_text(method).upper(), 0))


Convert = Callable[[Value], Any]
# Attribute path, field, conversion.
Mapped = tuple[tuple[str, str, Convert], ...]


def process(prefix: str, image: str, *, pid: str = "", uid: str = "", command: str = "") -> Mapped:
    rows: list[tuple[str, str, Convert]] = [
        (f"{prefix}.name", image, basename),
        (f"{prefix}.file.name", image, basename),
        (f"{prefix}.file.path", image, as_text),
    ]
    rows += [(f"{prefix}.pid", pid, integer)] if pid else []
    rows += [(f"{prefix}.uid", uid, as_text)] if uid else []
    rows += [(f"{prefix}.cmd_line", command, as_text)] if command else []
    return tuple(rows)


_WINDOWS: Mapped = (
    ("device.hostname", "Computer", as_text),
    ("device.hostname", "Hostname", as_text),
    ("metadata.log_name", "Channel", as_text),
    ("metadata.log_provider", "SourceName", as_text),
    ("metadata.event_code", "EventID", as_text),
)
_SYSMON_ACTOR: Mapped = (
    ("actor.user.name", "User", as_text),
    *process("actor.process", "Image", pid="ProcessId", uid="ProcessGuid"),
)
SYSLOG: Mapped = (
    ("device.hostname", "hostname", as_text),
    ("metadata.log_provider", "program", as_text),
    ("message", "message", as_text),
)
_ZEEK: Mapped = (
    ("src_endpoint.ip", "id.orig_h", as_text),
    ("src_endpoint.port", "id.orig_p", integer),
    ("dst_endpoint.ip", "id.resp_h", as_text),
    ("dst_endpoint.port", "id.resp_p", integer),
    ("connection_info.uid", "uid", as_text),
    ("connection_info.protocol_name", "proto", as_text),
    ("metadata.log_name", "_path", as_text),
)
_LOGON: Mapped = (
    *_WINDOWS,
    ("user.name", "TargetUserName", as_text),
    ("user.domain", "TargetDomainName", as_text),
    ("session.uid", "TargetLogonId", as_text),
    ("logon_type_id", "LogonType", integer),
    ("src_endpoint.ip", "IpAddress", as_text),
    ("src_endpoint.port", "IpPort", integer),
    ("src_endpoint.name", "WorkstationName", as_text),
)

TABLES: Mapping[tuple[str, str, int | str], tuple[Activity, Mapped]] = {
    ("windows", "sysmon", 1): (
        LAUNCH,
        (
            *_WINDOWS,
            ("actor.user.name", "User", as_text),
            *process("actor.process", "ParentImage", pid="ParentProcessId", uid="ParentProcessGuid"),
            ("actor.process.cmd_line", "ParentCommandLine", as_text),
            *process("process", "Image", pid="ProcessId", uid="ProcessGuid", command="CommandLine"),
            ("process.user.name", "User", as_text),
            ("process.working_directory", "CurrentDirectory", as_text),
            ("process.integrity", "IntegrityLevel", as_text),
        ),
    ),
    ("windows", "sysmon", 3): (
        ocsf.NETWORK_ACTIVITY.activity(1),
        (
            *_WINDOWS,
            *_SYSMON_ACTOR,
            ("src_endpoint.ip", "SourceIp", as_text),
            ("src_endpoint.port", "SourcePort", integer),
            ("dst_endpoint.ip", "DestinationIp", as_text),
            ("dst_endpoint.port", "DestinationPort", integer),
            ("connection_info.protocol_name", "Protocol", as_text),
        ),
    ),
    ("windows", "sysmon", 5): (
        ocsf.PROCESS_ACTIVITY.activity(2),
        (*_WINDOWS, *process("process", "Image", pid="ProcessId", uid="ProcessGuid")),
    ),
    ("windows", "sysmon", 10): (
        ocsf.PROCESS_ACTIVITY.activity(3),
        (
            *_WINDOWS,
            *process("actor.process", "SourceImage", pid="SourceProcessId", uid="SourceProcessGUID"),
            *process("process", "TargetImage", pid="TargetProcessId", uid="TargetProcessGUID"),
            ("requested_permissions", "GrantedAccess", integer),
        ),
    ),
    ("windows", "sysmon", 11): (
        ocsf.FILE_ACTIVITY.activity(1),
        (
            *_WINDOWS,
            *_SYSMON_ACTOR,
            ("file.path", "TargetFilename", as_text),
            ("file.name", "TargetFilename", basename),
        ),
    ),
    ("windows", "sysmon", 13): (
        ocsf.REGISTRY_VALUE_ACTIVITY.activity(2),
        (
            *_WINDOWS,
            *_SYSMON_ACTOR,
            ("reg_value.path", "TargetObject", as_text),
            ("reg_value.name", "TargetObject", basename),
            ("reg_value.data", "Details", as_text),
        ),
    ),
    ("windows", "sysmon", 22): (
        ocsf.DNS_ACTIVITY.activity(1),
        (*_WINDOWS, *_SYSMON_ACTOR, ("query.hostname", "QueryName", as_text)),
    ),
    ("windows", "security", 4624): (ocsf.AUTHENTICATION.activity(1), _LOGON),
    ("windows", "security", 4634): (ocsf.AUTHENTICATION.activity(2), _LOGON),
    ("windows", "security", 4688): (
        LAUNCH,
        (
            *_WINDOWS,
            ("actor.user.name", "SubjectUserName", as_text),
            ("actor.user.domain", "SubjectDomainName", as_text),
            *process("actor.process", "ParentProcessName", pid="ProcessId"),
            *process("process", "NewProcessName", pid="NewProcessId", command="CommandLine"),
        ),
    ),
    ("windows", "system", 7045): (
        ocsf.WINDOWS_SERVICE_ACTIVITY.activity(1),
        (*_WINDOWS, ("win_service.name", "ServiceName", as_text), ("win_service.cmd_line", "ImagePath", as_text)),
    ),
    ("windows", "powershell", 4104): (
        ocsf.SCRIPT_ACTIVITY.activity(1),
        (
            *_WINDOWS,
            ("script.script_content.value", "ScriptBlockText", as_text),
            ("script.uid", "ScriptBlockId", as_text),
        ),
    ),
    ("linux", "sshd", ""): (
        ocsf.AUTHENTICATION.activity(1),
        (
            *SYSLOG,
            ("user.name", "user", as_text),
            ("auth_protocol", "auth_method", as_text),
            ("status_id", "action", login_status),
            ("src_endpoint.ip", "src_ip", as_text),
            ("src_endpoint.port", "src_port", integer),
        ),
    ),
    ("linux", "sudo", ""): (
        LAUNCH,
        (
            *SYSLOG,
            ("actor.user.name", "user", as_text),
            ("process.cmd_line", "command", as_text),
            ("process.user.name", "target_user", as_text),
            ("process.working_directory", "pwd", as_text),
        ),
    ),
    ("linux", "cron", ""): (
        ocsf.SCHEDULED_JOB_ACTIVITY.activity(6),
        (*SYSLOG, ("job.cmd_line", "command", as_text), ("job.user.name", "user", as_text)),
    ),
    ("zeek", "conn", ""): (
        ocsf.NETWORK_ACTIVITY.activity(6),
        (
            *_ZEEK,
            ("app_protocol_name", "service", as_text),
            ("traffic.bytes_out", "orig_bytes", integer),
            ("traffic.bytes_in", "resp_bytes", integer),
            ("traffic.packets_out", "orig_pkts", integer),
            ("traffic.packets_in", "resp_pkts", integer),
            ("connection_info.flag_history", "history", as_text),
        ),
    ),
    ("zeek", "dns", ""): (
        ocsf.DNS_ACTIVITY.activity(6),
        (
            *_ZEEK,
            ("query.hostname", "query", as_text),
            ("query.type", "qtype_name", as_text),
            ("rcode", "rcode_name", as_text),
        ),
    ),
    ("zeek", "http", ""): (
        REQUEST,
        (
            *_ZEEK,
            ("http_request.http_method", "method", as_text),
            ("http_request.url.hostname", "host", as_text),
            ("http_request.url.path", "uri", as_text),
            ("http_request.user_agent", "user_agent", as_text),
            ("http_response.code", "status_code", integer),
        ),
    ),
}
OTHERS: Mapping[str, Mapped] = {"linux": SYSLOG, "windows": _WINDOWS, "zeek": _ZEEK[:4]}
