"""Lines of every format: generated from what its specification says, with those among them that are damaged.

Public samples of most formats are not there, so their events are made up: fields and their order are those of the
specification, values are drawn anew for each line. Every fiftieth line is spoilt in a way that its format forbids.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from phalanx.core import Rng, iso_from_ns

START_NS = 1_772_440_140_000_000_000
SPOILT_EVERY = 50

_to_json = msgspec.json.Encoder()
_USERS = ("kim", "anna", "svc-backup", "m.keller", "root")
_PROGRAMS = ("C:\\Windows\\System32\\cmd.exe", "C:\\Windows\\explorer.exe", "C:\\Program Files\\App\\app.exe")
ZEEK_TSV_HEADER = (
    b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    b"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tconn_state\n"
    b"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tinterval\tcount\tstring\n"
)


class _Line:
    """What the lines of all formats are made of; ``n`` is the line's place."""

    def __init__(self, n: int, rng: Rng) -> None:
        self.n = n
        self.at_ns = START_NS + n * 10_000_000
        self.iso = iso_from_ns(self.at_ns)
        self.source, self.target = (
            f"10.{rng.integer(0, 255)}.{rng.integer(0, 255)}.{rng.integer(1, 254)}" for _ in "ab"
        )
        self.source_port, self.target_port = rng.integer(1_024, 65_535), rng.choice((22, 53, 80, 443, 3389))
        self.user, self.program = rng.choice(_USERS), rng.choice(_PROGRAMS)
        self.bytes = rng.integer(40, 10**6)
        self.id = f"{rng.bits(64):016x}"
        self.host = f"host-{rng.integer(0, 999)}.corp.example"


def _windows(line: _Line) -> dict[str, Any]:
    return {
        "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": line.host, "UtcTime": line.iso,
        "ProcessGuid": f"{{{line.id}}}", "ProcessId": line.n, "Image": line.program, "User": f"CORP\\{line.user}",
        "CommandLine": f"{line.program} /run {line.id}", "LogonId": line.bytes,
        "ParentImage": "C:\\Windows\\explorer.exe",
    }  # fmt: skip


def _zeek(line: _Line) -> dict[str, Any]:
    return {
        "_path": "conn", "ts": line.at_ns / 1e9, "uid": f"C{line.id}", "id.orig_h": line.source,
        "id.orig_p": line.source_port, "id.resp_h": line.target, "id.resp_p": line.target_port, "proto": "tcp",
        "duration": 0.25, "orig_bytes": line.bytes, "conn_state": "SF", "tunnel_parents": [],
    }  # fmt: skip


def _suricata(line: _Line) -> dict[str, Any]:
    return {
        "timestamp": line.iso, "flow_id": line.n, "event_type": "alert", "src_ip": line.source, "proto": "TCP",
        "src_port": line.source_port, "dest_ip": line.target, "dest_port": line.target_port, "app_proto": "tls",
        "alert": {"action": "allowed", "signature_id": 2_000_000 + line.n % 99, "signature": f"ET TEST {line.id}"},
        "flow": {"pkts_toserver": 3, "bytes_toserver": line.bytes},
    }  # fmt: skip


def _cloudtrail(line: _Line) -> dict[str, Any]:
    return {
        "eventVersion": "1.08", "eventTime": line.iso, "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
        "awsRegion": "eu-west-1", "sourceIPAddress": line.source, "eventID": line.id, "requestID": line.id,
        "userIdentity": {"type": "IAMUser", "userName": line.user, "accountId": "123456789012"},
        "requestParameters": {"userName": line.user, "tags": [{"key": "a", "value": line.host}]},
    }  # fmt: skip


def _ecs(line: _Line) -> dict[str, Any]:
    return {
        "@timestamp": line.iso, "ecs": {"version": "8.11"}, "host": {"name": line.host, "os": {"type": "linux"}},
        "event": {"category": ["process"], "type": ["start"], "id": line.id}, "user": {"name": line.user},
        "process": {"executable": "/usr/bin/id", "pid": line.n, "command_line": f"id {line.user}"},
    }  # fmt: skip


def _ocsf(line: _Line) -> dict[str, Any]:
    return {
        "class_uid": 3002, "category_uid": 3, "activity_id": 1, "severity_id": 1, "type_uid": 300201,
        "time": line.at_ns // 1_000_000, "user": {"name": line.user, "uid": line.id}, "status_id": 1,
        "src_endpoint": {"ip": line.source, "port": line.source_port}, "metadata": {"version": "1.3.0"},
    }  # fmt: skip


def _cef(line: _Line) -> bytes:
    return (
        f"<134>{line.iso} {line.host} CEF:0|Acme|Wall|9.1|7|Connection \\| refused|5|rt={line.at_ns // 1_000_000} "
        f"src={line.source} spt={line.source_port} dst={line.target} dpt={line.target_port} proto=TCP act=deny "
        f"suser={line.user} msg=rule \\= {line.id} said no cs1Label=Rule cs1=deny all"
    ).encode()


def _leef(line: _Line) -> bytes:
    return (
        f"<134>1 {line.iso} {line.host} qradar - - - LEEF:2.0|Acme|Wall|9.1|7|^|devTime={line.at_ns // 1_000_000}"
        f"^src={line.source}^dst={line.target}^srcPort={line.source_port}^dstPort={line.target_port}^proto=TCP"
        f"^usrName={line.user}^sev=5^policy={line.id}"
    ).encode()


def _syslog(line: _Line) -> bytes:
    return (
        f"<38>1 {line.iso} {line.host} sshd {line.n % 32_768} - - Failed password for {line.user} from {line.source} "
        f"port {line.source_port} ssh2"
    ).encode()


def _rfc3164(line: _Line) -> bytes:
    return (
        f"<38>Mar  2 08:{line.n // 60 % 60:02}:{line.n % 60:02} {line.host} sudo: {line.user} : TTY=pts/0 ; PWD=/ ; "
        f"USER=root ; COMMAND=/bin/cat {line.id}"
    ).encode()


def _auditd(line: _Line) -> bytes:
    stamp = f"{line.at_ns // 10**9}.{line.at_ns // 10**6 % 1000:03}"
    return (
        f"type=SYSCALL msg=audit({stamp}:{line.n}): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid={line.n} "
        f'uid=0 auid=1000 comm="id" exe="/usr/bin/id" key="{line.id}"'
    ).encode()


def _zeek_tsv(line: _Line) -> bytes:
    return (
        f"{line.at_ns / 1e9:.6f}\tC{line.id}\t{line.source}\t{line.source_port}\t{line.target}\t{line.target_port}\ttcp"
        f"\t0.250000\t{line.bytes}\tSF"
    ).encode()


_JSON: Mapping[str, Callable[[_Line], dict[str, Any]]] = {
    "windows": _windows, "zeek": _zeek, "suricata": _suricata, "cloudtrail": _cloudtrail, "ecs": _ecs, "ocsf": _ocsf,
}  # fmt: skip
_TEXT: Mapping[str, Callable[[_Line], bytes]] = {
    "cef": _cef, "leef": _leef, "syslog": _syslog, "syslog-rfc3164": _rfc3164, "auditd": _auditd, "zeek-tsv": _zeek_tsv,
}  # fmt: skip
FORMATS = (*_JSON, *_TEXT)
JSON_FORMATS = frozenset(_JSON)


def made(name: str, n: int, rng: Rng) -> tuple[list[bytes], int]:
    """``n`` lines of a format, and how many of them are spoilt."""
    lines: list[bytes] = []
    spoilt = 0
    for at in range(n):
        line = _Line(at, rng)
        whole = _to_json.encode(_JSON[name](line)) if name in _JSON else _TEXT[name](line)
        if at % SPOILT_EVERY == SPOILT_EVERY - 1:
            whole = _spoilt(name, whole)
            spoilt += 1
        lines.append(whole)
    return lines, spoilt


def _spoilt(name: str, line: bytes) -> bytes:
    """A line that its format forbids: cut off, of an unknown version, without its header, or with a column less."""
    if name in _JSON:
        return line[: len(line) // 2]
    if name in ("cef", "leef"):
        return line.replace(b"CEF:0|", b"CEF:7|").replace(b"LEEF:2.0|", b"LEEF:2.0|Acme")[: line.index(b"|") + 8]
    if name == "zeek-tsv":
        return line.rpartition(b"\t")[0]
    if name == "auditd":
        return line.replace(b"msg=audit(", b"msg=")
    return line.replace(b"<38>", b"<999>")


def hostile() -> dict[str, bytes]:
    """Lines that mean ill, each alone."""
    return {
        "line_100_mb": b'{"EventID":1,"a":"' + b"x" * 100_000_000 + b'"}',
        "nested_100_000_deep": b'{"EventID":1,"Channel":"c","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "fields_10_000": _to_json.encode({f"f{n}": n for n in range(10_000)} | {"EventID": 1, "Channel": "c"}),
        "utf8_invalid": b'{"EventID":1,"Channel":"\xff\xfe\xc0\x80"}',
        "equals_signs_200_000": b"CEF:0|v|p|1|c|n|5|" + b"a= " * 66_000,
        "backslashes_200_000": b"CEF:0|" + b"\\" * 200_000 + b"|p|1|c|n|5|a=b",
        "structured_data_unclosed": b"<34>1 2026-03-02T08:30:00Z h a 1 - " + b'[a b="' * 30_000,
        "half_a_separator": b"LEEF:2.0|v|p|1|c|xD800|a=b",
        "counted_beyond_all": struct.pack("<Q", 2**63) * 1_000,
    }
