"""Lines in the formats the sources write: Windows events as NXLog's JSON, syslog, Zeek's JSON.

Field names and their usual values follow public captures; what only fills space there (the
rendered message, the shipper's own fields) is left out.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from phalanx.core import NS_PER_MS, NS_PER_S, NS_PER_US, Rng
from phalanx.demo._company import NETBIOS, Host

_to_json = msgspec.json.Encoder()

_SYSMON: Final = {
    "Keywords": -9223372036854775808,
    "EventType": "INFO",
    "SeverityValue": 2,
    "Severity": "INFO",
    "SourceName": "Microsoft-Windows-Sysmon",
    "ProviderGuid": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Domain": "NT AUTHORITY",
    "AccountName": "SYSTEM",
    "UserID": "S-1-5-18",
    "RuleName": "-",
}
_SECURITY: Final = {
    "Keywords": -9214364837600034816,
    "EventType": "AUDIT_SUCCESS",
    "SeverityValue": 2,
    "Severity": "INFO",
    "SourceName": "Microsoft-Windows-Security-Auditing",
    "ProviderGuid": "{54849625-5478-4994-A5BA-3E3B0328C30D}",
    "Channel": "Security",
}
_SERVICE_CONTROL: Final = {
    "Keywords": -9187343239835811840,
    "EventType": "INFO",
    "SeverityValue": 2,
    "Severity": "INFO",
    "SourceName": "Service Control Manager",
    "ProviderGuid": "{555908D1-A6D7-4695-8E1E-26931D2012F4}",
    "Channel": "System",
}
_POWERSHELL: Final = {
    "Keywords": 0,
    "EventType": "VERBOSE",
    "SeverityValue": 1,
    "Severity": "DEBUG",
    "SourceName": "Microsoft-Windows-PowerShell",
    "ProviderGuid": "{A0C1853B-5C40-4B15-8766-3CF1C58F985A}",
    "Channel": "Microsoft-Windows-PowerShell/Operational",
}


class Line(NamedTuple):
    """One event as its source writes it; ``reader`` names the format."""

    reader: str
    data: bytes


class Formats:
    """Writes lines. Holds what sources count up: record numbers, connection ids."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._record = 100_000
        self._second = -1
        self._date_time = ""

    def _seconds(self, at_ns: int) -> str:
        second = at_ns // NS_PER_S
        if second != self._second:
            self._second = second
            self._date_time = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return self._date_time

    def _millis(self, at_ns: int) -> str:
        return f"{self._seconds(at_ns)}.{at_ns % NS_PER_S // NS_PER_MS:03}"

    def _windows(self, host: Host, at_ns: int, event: int, kind: dict[str, Any], data: dict[str, Any]) -> Line:
        self._record += 1
        time = self._seconds(at_ns)
        head = {"EventTime": time, "Hostname": host.name, "EventID": event, "RecordNumber": self._record}
        return Line("windows", _to_json.encode(head | kind | data))

    def _sysmon(self, host: Host, at_ns: int, event: int, data: dict[str, Any]) -> Line:
        data["UtcTime"] = self._millis(at_ns)
        return self._windows(host, at_ns, event, _SYSMON, data)

    def _guid(self) -> str:
        text = f"{self._rng.bits(96):024x}"
        return f"{{b669e388-{text[:4]}-{text[4:8]}-{text[8:12]}-{text[12:]}}}"

    def _pid(self) -> str:
        return str(4 * self._rng.integer(200, 4_000))

    def process(self, host: Host, at_ns: int, *, user: str, image: str, command: str, parent: str) -> Line:
        """Sysmon 1: a process was created."""
        data = {
            "ProcessGuid": self._guid(),
            "ProcessId": self._pid(),
            "Image": image,
            "OriginalFileName": image.rpartition("\\")[2],
            "CommandLine": command,
            "CurrentDirectory": "C:\\Windows\\System32\\",
            "User": account(user),
            "LogonId": "0x3e7" if user == "SYSTEM" else "0x5f2a1",
            "TerminalSessionId": "0" if user == "SYSTEM" else "1",
            "IntegrityLevel": "System" if user == "SYSTEM" else "Medium",
            "ParentProcessGuid": self._guid(),
            "ParentProcessId": self._pid(),
            "ParentImage": parent,
            "ParentCommandLine": parent,
        }
        return self._sysmon(host, at_ns, 1, data)

    def audited_process(self, host: Host, at_ns: int, *, user: str, image: str, command: str, parent: str) -> Line:
        """Security 4688: the same, as Windows itself audits it."""
        data = {
            "SubjectUserName": user,
            "SubjectDomainName": NETBIOS,
            "SubjectLogonId": "0x5f2a1",
            "NewProcessId": hex(int(self._pid())),
            "NewProcessName": image,
            "TokenElevationType": "%%1938",
            "ProcessId": hex(int(self._pid())),
            "CommandLine": command,
            "ParentProcessName": parent,
            "MandatoryLabel": "S-1-16-8192",
        }
        return self._windows(host, at_ns, 4688, _SECURITY, data)

    def connection(self, host: Host, at_ns: int, *, user: str, image: str, ip: str, port: int) -> Line:
        """Sysmon 3: a connection was opened."""
        data = {
            "ProcessGuid": self._guid(),
            "ProcessId": self._pid(),
            "Image": image,
            "User": account(user),
            "Protocol": "tcp",
            "Initiated": "true",
            "SourceIsIpv6": "false",
            "SourceIp": host.ip,
            "SourceHostname": host.name,
            "SourcePort": str(self._rng.integer(49_152, 65_536)),
            "DestinationIsIpv6": "false",
            "DestinationIp": ip,
            "DestinationHostname": "-",
            "DestinationPort": str(port),
        }
        return self._sysmon(host, at_ns, 3, data)

    def file_created(self, host: Host, at_ns: int, *, user: str, image: str, file: str) -> Line:
        """Sysmon 11: a file was created."""
        data = {
            "ProcessGuid": self._guid(),
            "ProcessId": self._pid(),
            "Image": image,
            "TargetFilename": file,
            "CreationUtcTime": self._millis(at_ns),
            "User": account(user),
        }
        return self._sysmon(host, at_ns, 11, data)

    def process_opened(self, host: Host, at_ns: int, *, source: str, target: str, access: str) -> Line:
        """Sysmon 10: a process was opened by another."""
        data = {
            "SourceProcessGUID": self._guid(),
            "SourceProcessId": self._pid(),
            "SourceImage": source,
            "TargetProcessGUID": self._guid(),
            "TargetProcessId": self._pid(),
            "TargetImage": target,
            "GrantedAccess": access,
            "CallTrace": "C:\\Windows\\SYSTEM32\\ntdll.dll+9d104|C:\\Windows\\System32\\KERNELBASE.dll+2d2c4",
        }
        return self._sysmon(host, at_ns, 10, data)

    def registry_set(self, host: Host, at_ns: int, *, user: str, image: str, key: str, details: str) -> Line:
        """Sysmon 13: a registry value was set."""
        data = {
            "EventType": "SetValue",
            "ProcessGuid": self._guid(),
            "ProcessId": self._pid(),
            "Image": image,
            "TargetObject": key,
            "Details": details,
            "User": account(user),
        }
        return self._sysmon(host, at_ns, 13, data)

    def name_asked(self, host: Host, at_ns: int, *, image: str, name: str, ip: str) -> Line:
        """Sysmon 22: a name was looked up."""
        data = {
            "ProcessGuid": self._guid(),
            "ProcessId": self._pid(),
            "QueryName": name,
            "QueryStatus": "0",
            "QueryResults": f"::ffff:{ip};",
            "Image": image,
        }
        return self._sysmon(host, at_ns, 22, data)

    def logon(self, host: Host, at_ns: int, *, user: str, kind: int, source: Host) -> Line:
        """Security 4624: an account logged on."""
        data = {
            "SubjectUserName": "-",
            "TargetUserName": user,
            "TargetDomainName": NETBIOS,
            "TargetLogonId": hex(self._rng.bits(24)),
            "LogonType": str(kind),
            "LogonProcessName": "User32" if kind in (2, 10) else "Kerberos",
            "AuthenticationPackageName": "Negotiate" if kind in (2, 10) else "Kerberos",
            "WorkstationName": source.short.upper() if kind in (2, 10) else "-",
            "IpAddress": source.ip,
            "IpPort": str(self._rng.integer(49_152, 65_536)),
        }
        return self._windows(host, at_ns, 4624, _SECURITY, data)

    def logoff(self, host: Host, at_ns: int, *, user: str) -> Line:
        """Security 4634: an account logged off."""
        data = {
            "TargetUserName": user,
            "TargetDomainName": NETBIOS,
            "TargetLogonId": hex(self._rng.bits(24)),
            "LogonType": "3",
        }
        return self._windows(host, at_ns, 4634, _SECURITY, data)

    def log_cleared(self, host: Host, at_ns: int, *, user: str) -> Line:
        """Security 1102: the security log was cleared."""
        data = {"SubjectUserName": user, "SubjectDomainName": NETBIOS, "SubjectLogonId": "0x5f2a1"}
        return self._windows(host, at_ns, 1102, _SECURITY | {"SourceName": "Microsoft-Windows-Eventlog"}, data)

    def service_installed(self, host: Host, at_ns: int, *, service: str, path: str) -> Line:
        """System 7045: a service was installed."""
        data = {
            "ServiceName": service,
            "ImagePath": path,
            "ServiceType": "user mode service",
            "StartType": "demand start",
            "AccountName": "LocalSystem",
        }
        return self._windows(host, at_ns, 7045, _SERVICE_CONTROL, data)

    def service_state(self, host: Host, at_ns: int, *, service: str, state: str) -> Line:
        """System 7036: a service was started or stopped."""
        return self._windows(host, at_ns, 7036, _SERVICE_CONTROL, {"param1": service, "param2": state})

    def script(self, host: Host, at_ns: int, *, text: str) -> Line:
        """PowerShell 4104: a script block was compiled."""
        data = {
            "MessageNumber": "1",
            "MessageTotal": "1",
            "ScriptBlockText": text,
            "ScriptBlockId": self._guid()[1:-1],
            "Path": "",
        }
        return self._windows(host, at_ns, 4104, _POWERSHELL, data)

    def syslog(self, host: Host, at_ns: int, *, program: str, message: str, priority: int = 38) -> Line:
        """A line as rsyslog forwards it: RFC 5424 with the host's short name."""
        day, _, time = self._seconds(at_ns).partition(" ")
        stamp = f"{day}T{time}.{at_ns % NS_PER_S // NS_PER_US:06}Z"
        pid = self._rng.integer(600, 40_000)
        return Line("syslog", f"<{priority}>1 {stamp} {host.short} {program} {pid} - - {message}".encode())

    def _zeek(self, path: str, at_ns: int, source: str, target: str, port: int, data: dict[str, Any]) -> Line:
        uid = self._rng.bits(96)
        head = {
            "_path": path,
            "ts": at_ns // NS_PER_US / 1_000_000,
            "uid": f"C{uid:024x}"[:18],
            "id.orig_h": source,
            "id.orig_p": 49_152 + uid % 16_384,
            "id.resp_h": target,
            "id.resp_p": port,
        }
        return Line("zeek", _to_json.encode(head | data))

    def flow(
        self, at_ns: int, *, source: str, target: str, port: int, sent: int, received: int, duration_s: float
    ) -> Line:
        """Zeek conn: one TCP connection that ended."""
        data = {
            "proto": "tcp",
            "service": {443: "ssl", 80: "http", 445: "smb", 22: "ssh", 3389: "rdp", 135: "dce_rpc"}.get(port, "-"),
            "duration": round(duration_s, 6),
            "orig_bytes": sent,
            "resp_bytes": received,
            "conn_state": "SF",
            "local_orig": source.startswith("192.0.2."),
            "local_resp": target.startswith("192.0.2."),
            "missed_bytes": 0,
            "history": "ShADadFf",
            "orig_pkts": sent // 1_200 + 4,
            "resp_pkts": received // 1_200 + 4,
        }
        return self._zeek("conn", at_ns, source, target, port, data)

    def lookup(self, at_ns: int, *, source: str, resolver: str, name: str, kind: str = "A", answer: str) -> Line:
        """Zeek dns: a question and its answer."""
        data = {
            "proto": "udp",
            "trans_id": self._rng.bits(16),
            "rtt": round(0.001 + 0.02 * self._rng.random(), 6),
            "query": name,
            "qclass_name": "C_INTERNET",
            "qtype_name": kind,
            "rcode_name": "NOERROR",
            "AA": False,
            "RD": True,
            "RA": True,
            "answers": [answer],
            "TTLs": [300.0],
            "rejected": False,
        }
        return self._zeek("dns", at_ns, source, resolver, 53, data)

    def request(self, at_ns: int, *, source: str, target: str, name: str, path: str, agent: str, size: int) -> Line:
        """Zeek http: a request in the clear and its answer."""
        data = {
            "trans_depth": 1,
            "method": "GET",
            "host": name,
            "uri": path,
            "version": "1.1",
            "user_agent": agent,
            "request_body_len": 0,
            "response_body_len": size,
            "status_code": 200,
            "status_msg": "OK",
        }
        return self._zeek("http", at_ns, source, target, 80, data)


def account(user: str) -> str:
    """A user as Windows writes it."""
    return "NT AUTHORITY\\SYSTEM" if user == "SYSTEM" else f"{NETBIOS}\\{user}"
