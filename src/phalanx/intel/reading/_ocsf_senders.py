"""The same for those whose events tell what they are: Suricata, CloudTrail, CEF, LEEF and ECS.

Each has a function from the fields of an event to its class and the table that fits it.
"""

from collections.abc import Callable, Mapping

from phalanx.core import Value
from phalanx.intel.reading import ocsf
from phalanx.intel.reading._ocsf_class import Activity
from phalanx.intel.reading._ocsf_tables import BASE, LAUNCH, Mapped, http_activity, integer, process
from phalanx.intel.sigma._texts import as_text

Fields = Mapping[str, Value]
Chosen = tuple[Activity, Mapped]

_SURICATA: Mapped = (
    ("device.hostname", "host", as_text),
    ("metadata.log_name", "event_type", as_text),
)
_SURICATA_NETWORK: Mapped = (
    *_SURICATA,
    ("src_endpoint.ip", "src_ip", as_text),
    ("src_endpoint.port", "src_port", integer),
    ("dst_endpoint.ip", "dest_ip", as_text),
    ("dst_endpoint.port", "dest_port", integer),
    ("connection_info.protocol_name", "proto", as_text),
    ("connection_info.uid", "flow_id", as_text),
    ("app_protocol_name", "app_proto", as_text),
)
_SURICATA_TABLES: Mapping[str, Mapped] = {
    "alert": (
        *_SURICATA,
        ("finding_info.title", "alert.signature", as_text),
        ("finding_info.uid", "alert.signature_id", as_text),
        ("message", "alert.signature", as_text),
        *(
            (f"evidences.0.{path}", name, convert)
            for path, name, convert in (
                ("src_endpoint.ip", "src_ip", as_text),
                ("src_endpoint.port", "src_port", integer),
                ("dst_endpoint.ip", "dest_ip", as_text),
                ("dst_endpoint.port", "dest_port", integer),
                ("connection_info.protocol_name", "proto", as_text),
                ("connection_info.uid", "flow_id", as_text),
            )
        ),
    ),
    "dns": (
        *_SURICATA_NETWORK,
        ("query.hostname", "dns.rrname", as_text),
        ("query.type", "dns.rrtype", as_text),
        ("rcode", "dns.rcode", as_text),
    ),
    "flow": (
        *_SURICATA_NETWORK,
        ("traffic.bytes_out", "flow.bytes_toserver", integer),
        ("traffic.bytes_in", "flow.bytes_toclient", integer),
        ("traffic.packets_out", "flow.pkts_toserver", integer),
        ("traffic.packets_in", "flow.pkts_toclient", integer),
    ),
    "http": (
        *_SURICATA_NETWORK,
        ("http_request.http_method", "http.http_method", as_text),
        ("http_request.url.hostname", "http.hostname", as_text),
        ("http_request.url.path", "http.url", as_text),
        ("http_request.user_agent", "http.http_user_agent", as_text),
        ("http_response.code", "http.status", integer),
    ),
    "tls": (*_SURICATA_NETWORK, ("tls.sni", "tls.sni", as_text), ("tls.version", "tls.version", as_text)),
}
_DNS_ACTIVITIES = {"query": 1, "request": 1, "answer": 2, "response": 2}


def _suricata(fields: Fields) -> Chosen:
    kind = as_text(fields.get("event_type"))
    mapped = _SURICATA_TABLES.get(kind, _SURICATA_NETWORK)
    if kind == "alert":
        return ocsf.DETECTION_FINDING.activity(1), mapped
    if kind == "dns":
        return ocsf.DNS_ACTIVITY.activity(_DNS_ACTIVITIES.get(as_text(fields.get("dns.type")), 0)), mapped
    if kind == "http":
        return http_activity(fields.get("http.http_method")), mapped
    if kind in ("flow", "tls", "netflow"):
        return ocsf.NETWORK_ACTIVITY.activity(6), mapped
    if kind == "ssh":
        return ocsf.SSH_ACTIVITY.activity(0), mapped
    if kind == "smb":
        return ocsf.SMB_ACTIVITY.activity(0), mapped
    return BASE, _SURICATA


_CLOUDTRAIL: Mapped = (
    ("actor.user.name", "userIdentity.userName", as_text),
    ("actor.user.uid", "userIdentity.principalId", as_text),
    ("actor.user.type", "userIdentity.type", as_text),
    ("api.operation", "eventName", as_text),
    ("api.service.name", "eventSource", as_text),
    ("api.request.uid", "requestID", as_text),
    ("cloud.account.uid", "recipientAccountId", as_text),
    ("cloud.region", "awsRegion", as_text),
    ("http_request.user_agent", "userAgent", as_text),
    ("metadata.original_event_uid", "eventID", as_text),
    ("src_endpoint.ip", "sourceIPAddress", as_text),
    ("status_code", "errorCode", as_text),
    ("status_detail", "errorMessage", as_text),
)
_CONSOLE_LOGIN: Mapped = (
    *(row for row in _CLOUDTRAIL if not row[0].startswith(("api.", "actor."))),
    ("user.name", "userIdentity.userName", as_text),
    ("user.uid", "userIdentity.principalId", as_text),
    ("user.type", "userIdentity.type", as_text),
    ("status", "responseElements.ConsoleLogin", as_text),
)
_VERBS = (
    (("Create", "Run", "Issue", "Import", "Upload", "Start"), 1),
    (("Get", "List", "Describe", "Head", "Lookup", "Scan", "Query", "Search", "BatchGet"), 2),
    (("Update", "Put", "Modify", "Set", "Attach", "Add", "Tag", "Change", "Enable", "Associate"), 3),
    (("Delete", "Terminate", "Remove", "Detach", "Untag", "Revoke", "Deregister"), 4),
)


def _cloudtrail(fields: Fields) -> Chosen:
    name = as_text(fields.get("eventName"))
    if name == "ConsoleLogin":
        return ocsf.AUTHENTICATION.activity(1), _CONSOLE_LOGIN
    number = next((number for verbs, number in _VERBS if name.startswith(verbs)), 99)
    return ocsf.API_ACTIVITY.activity(number), _CLOUDTRAIL


_HEADED: Mapped = (
    ("device.hostname", "hostname", as_text),
    ("metadata.event_code", "class", as_text),
    ("metadata.log_provider", "product", as_text),
)
_HEADED_NETWORK: Mapped = (
    *_HEADED,
    ("src_endpoint.ip", "src", as_text),
    ("dst_endpoint.ip", "dst", as_text),
    ("connection_info.protocol_name", "proto", as_text),
)
_CEF_BASE: Mapped = (*_HEADED, ("message", "name", as_text))
_CEF: Mapped = (
    *_HEADED_NETWORK,
    ("message", "name", as_text),
    ("src_endpoint.port", "spt", integer),
    ("src_endpoint.hostname", "shost", as_text),
    ("src_endpoint.mac", "smac", as_text),
    ("dst_endpoint.port", "dpt", integer),
    ("dst_endpoint.hostname", "dhost", as_text),
    ("dst_endpoint.mac", "dmac", as_text),
    ("app_protocol_name", "app", as_text),
    ("traffic.bytes_in", "in", integer),
    ("traffic.bytes_out", "out", integer),
)
_LEEF: Mapped = (
    *_HEADED_NETWORK,
    ("src_endpoint.port", "srcPort", integer),
    ("src_endpoint.mac", "srcMAC", as_text),
    ("dst_endpoint.port", "dstPort", integer),
    ("dst_endpoint.mac", "dstMAC", as_text),
    ("traffic.bytes_in", "dstBytes", integer),
    ("traffic.bytes_out", "srcBytes", integer),
)
_REFUSED = frozenset(("deny", "denied", "drop", "dropped", "block", "blocked", "reject", "rejected", "refuse"))


def _cef(fields: Fields) -> Chosen:
    return (_traffic(fields), _CEF) if "src" in fields and "dst" in fields else (BASE, _CEF_BASE)


def _leef(fields: Fields) -> Chosen:
    return (_traffic(fields), _LEEF) if "src" in fields and "dst" in fields else (BASE, _HEADED)


def _traffic(fields: Fields) -> Activity:
    is_refused = as_text(fields.get("act") or fields.get("action")).lower() in _REFUSED
    return ocsf.NETWORK_ACTIVITY.activity(5 if is_refused else 6)


_ECS: Mapped = (
    ("device.hostname", "host.name", as_text),
    ("metadata.log_provider", "event.provider", as_text),
    ("metadata.event_code", "event.code", as_text),
    ("metadata.original_event_uid", "event.id", as_text),
    ("message", "message", as_text),
)
_ECS_ACTOR: Mapped = (*_ECS, ("actor.user.name", "user.name", as_text), ("actor.user.domain", "user.domain", as_text))
_ECS_NETWORK: Mapped = (
    *_ECS,
    ("src_endpoint.ip", "source.ip", as_text),
    ("src_endpoint.port", "source.port", integer),
    ("dst_endpoint.ip", "destination.ip", as_text),
    ("dst_endpoint.port", "destination.port", integer),
    ("connection_info.protocol_name", "network.transport", as_text),
    ("app_protocol_name", "network.protocol", as_text),
)
_ECS_TABLES: Mapping[str, Chosen] = {
    "process": (
        LAUNCH,
        (
            *_ECS_ACTOR,
            *process("actor.process", "process.parent.executable", pid="process.parent.pid"),
            ("actor.process.cmd_line", "process.parent.command_line", as_text),
            *process("process", "process.executable", pid="process.pid", command="process.command_line"),
            ("process.name", "process.name", as_text),
            ("actor.process.name", "process.parent.name", as_text),
            ("process.working_directory", "process.working_directory", as_text),
        ),
    ),
    "authentication": (
        ocsf.AUTHENTICATION.activity(1),
        (
            *_ECS,
            ("user.name", "user.name", as_text),
            ("user.domain", "user.domain", as_text),
            ("status", "event.outcome", as_text),
            ("src_endpoint.ip", "source.ip", as_text),
            ("src_endpoint.port", "source.port", integer),
        ),
    ),
    "file": (
        ocsf.FILE_ACTIVITY.activity(0),
        (*_ECS_ACTOR, ("file.path", "file.path", as_text), ("file.name", "file.name", as_text)),
    ),
    "dns": (
        ocsf.DNS_ACTIVITY.activity(6),
        (
            *_ECS_NETWORK,
            ("query.hostname", "dns.question.name", as_text),
            ("query.type", "dns.question.type", as_text),
            ("rcode", "dns.response_code", as_text),
        ),
    ),
    "network": (ocsf.NETWORK_ACTIVITY.activity(6), _ECS_NETWORK),
}


def _ecs(fields: Fields) -> Chosen:
    category, kind = as_text(fields.get("event.category")), as_text(fields.get("event.type"))
    if "dns.question.name" in fields:
        return _ECS_TABLES["dns"]
    if "process" in category:
        return _ECS_TABLES["process"] if "start" in kind else (BASE, _ECS)
    found = next((name for name in ("authentication", "file", "network") if name in category), "")
    if found == "authentication" and "end" in kind:
        return ocsf.AUTHENTICATION.activity(2), _ECS_TABLES[found][1]
    return _ECS_TABLES.get(found, (BASE, _ECS))


# By the reader that took the line.
CHOICES: Mapping[str, Callable[[Fields], Chosen]] = {
    "cef": _cef,
    "cloudtrail": _cloudtrail,
    "ecs": _ecs,
    "leef": _leef,
    "suricata": _suricata,
}
