"""How a rule's log source and field names meet those of the events.

Sigma names sources and fields generically (``category: process_creation``, ``Image``); the same
thing comes from several programs under other names. The names of the program stay in the
columns; these tables say where else to look.
"""

from collections.abc import Mapping

from phalanx.core import LogSource

# A rule that asks for the first also concerns the others.
_CATEGORY_COVERS: Mapping[str, tuple[str, ...]] = {
    "registry_event": ("registry_add", "registry_delete", "registry_rename", "registry_set"),
}
_SERVICE_COVERS: Mapping[str, tuple[str, ...]] = {"auth": ("sshd", "sudo")}

_SECURITY_PROCESS = {
    "CommandLine": "CommandLine",
    "Image": "NewProcessName",
    "ParentImage": "ParentProcessName",
    "ProcessId": "NewProcessId",
    "User": "SubjectUserName",
}
_ZEEK_CONN = {
    "dst_ip": "id.resp_h",
    "dst_port": "id.resp_p",
    "src_ip": "id.orig_h",
    "src_port": "id.orig_p",
}
_ZEEK_DNS = _ZEEK_CONN | {"answer": "answers", "record_type": "qtype_name"}
_ZEEK_HTTP = _ZEEK_CONN | {
    "c-uri": "uri",
    "c-useragent": "user_agent",
    "cs-host": "host",
    "cs-method": "method",
    "cs-referrer": "referrer",
    "sc-status": "status_code",
}

_EVE = {"dst_ip": "dest_ip", "dst_port": "dest_port"}
_EVE_DNS = _EVE | {"query": "dns.rrname", "record_type": "dns.rrtype"}
_EVE_HTTP = _EVE | {
    "c-uri": "http.url",
    "c-useragent": "http.http_user_agent",
    "cs-host": "http.hostname",
    "cs-method": "http.http_method",
    "cs-referrer": "http.http_refer",
    "sc-status": "http.status",
}
_CEF = {"action": "act", "dst_ip": "dst", "dst_port": "dpt", "src_ip": "src", "src_port": "spt"}
_LEEF = {"dst_ip": "dst", "dst_port": "dstPort", "src_ip": "src", "src_port": "srcPort"}
_ECS_PROCESS = {
    "CommandLine": "process.command_line",
    "CurrentDirectory": "process.working_directory",
    "Image": "process.executable",
    "OriginalFileName": "process.pe.original_file_name",
    "ParentCommandLine": "process.parent.command_line",
    "ParentImage": "process.parent.executable",
    "User": "user.name",
}
# In OCSF's process activity the actor is who starts it.
_OCSF_PROCESS = {
    "CommandLine": "process.cmd_line",
    "Image": "process.file.path",
    "ParentCommandLine": "actor.process.cmd_line",
    "ParentImage": "actor.process.file.path",
    "User": "actor.user.name",
}

_ALIASES: Mapping[LogSource, Mapping[str, str]] = {
    LogSource("windows", "process_creation", "security"): _SECURITY_PROCESS,
    LogSource("zeek", "firewall", "conn"): _ZEEK_CONN,
    LogSource("zeek", "dns", "dns"): _ZEEK_DNS,
    LogSource("zeek", "proxy", "http"): _ZEEK_HTTP,
    LogSource("suricata", "firewall", "flow"): _EVE,
    LogSource("suricata", "dns", "dns"): _EVE_DNS,
    LogSource("suricata", "proxy", "http"): _EVE_HTTP,
    LogSource("cef", "firewall", ""): _CEF,
    LogSource("leef", "firewall", ""): _LEEF,
    **{LogSource(product, "process_creation", "ecs"): _ECS_PROCESS for product in ("ecs", "linux", "macos", "windows")},
    **{
        LogSource(product, "process_creation", "ocsf"): _OCSF_PROCESS
        for product in ("linux", "macos", "ocsf", "windows")
    },
}
_NO_ALIASES: Mapping[str, str] = {}


def concerns(wanted: LogSource, seen: LogSource) -> bool:
    """Whether a rule for ``wanted`` is to be asked about events of ``seen``; empty words mean any."""
    return (
        wanted.product in ("", seen.product)
        and (wanted.category in ("", seen.category) or seen.category in _CATEGORY_COVERS.get(wanted.category, ()))
        and (wanted.service in ("", seen.service) or seen.service in _SERVICE_COVERS.get(wanted.service, ()))
    )


def aliases(log_source: LogSource) -> Mapping[str, str]:
    """Generic field name → the name this source uses for it."""
    return _ALIASES.get(log_source, _NO_ALIASES)
