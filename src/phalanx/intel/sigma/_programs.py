"""What Unix programs say inside a syslog message, as fields: sshd, sudo, cron and the audit daemon.

Much of it is written by whoever logs in: patterns are anchored, a message longer than
``MAX_REGEX_CHARS`` is not taken apart, and an address is taken from the end of sshd's message,
where sshd itself wrote it: a user may be called ``root from 192.0.2.1 port 22``.
"""

import re

from phalanx.core import LogSource, Value
from phalanx.intel._errors import BadLine
from phalanx.intel._limits import MAX_EVENT_FIELDS, MAX_REGEX_CHARS
from phalanx.intel.reading._fields import ReadEvent, time_from_epoch_s

AUDIT_PREFIX = (b"type=", b"node=")

_SERVICES = {
    "audit": LogSource("linux", "", "auditd"),
    "auditd": LogSource("linux", "", "auditd"),
    "audisp-syslog": LogSource("linux", "", "auditd"),
    "cron": LogSource("linux", "", "cron"),
    "crond": LogSource("linux", "", "cron"),
    "login": LogSource("linux", "", "auth"),
    "sshd": LogSource("linux", "", "sshd"),
    "sshd-session": LogSource("linux", "", "sshd"),
    "su": LogSource("linux", "", "auth"),
    "sudo": LogSource("linux", "", "sudo"),
    "systemd-logind": LogSource("linux", "", "auth"),
    "vsftpd": LogSource("linux", "", "vsftpd"),
}
_SYSLOG = LogSource("linux", "", "syslog")
_AUDIT = _SERVICES["auditd"]

_SSHD_LOGIN = re.compile(
    r"(Accepted|Failed) (\S+) for (invalid user )?(.*) from (\S+) port (\d{1,5})(?: ssh2)?(?:: .*)?$"
)
_SSHD_INVALID = re.compile(r"Invalid user (.*) from (\S+)(?: port (\d{1,5}))?$")
_SUDO = re.compile(r" *(\S+) : (?:([^=;]*) ; )?(?:TTY=(\S+) ; )?PWD=(.*?) ; USER=(\S+) ; (?:\w+=\S* ; )*COMMAND=(.*)$")
_CRON = re.compile(r"\((\S+)\) CMD \((.*)\)$")
_AUDIT_HEADER = re.compile(r"(?:node=(\S{1,255}) )?type=(\w{1,64}) msg=audit\((\d{1,12}\.\d{1,9}):(\d{1,20})\):")
_AUDIT_PAIR = re.compile(r"([A-Za-z][\w-]{0,63})=(\"[^\"]*\"|[^\s\"']+)")


def log_source_of(program: str) -> LogSource:
    """The log source of a program by its syslog tag, which may carry a path or be in capitals."""
    return _SERVICES.get(program.rpartition("/")[2].lower(), _SYSLOG)


def message_fields(fields: dict[str, Value]) -> None:
    """Add what the message of a known program says; one that says something else is left as it is."""
    message = str(fields["message"])
    if len(message) > MAX_REGEX_CHARS:
        return
    service = log_source_of(str(fields["program"])).service
    if service == "sshd":
        _sshd(message, fields)
    elif service == "sudo":
        _sudo(message, fields)
    elif service == "cron" and (match := _CRON.match(message)):
        fields["user"], fields["command"] = match.groups()
    elif service == "auditd" and message.startswith(("type=", "node=")):
        fields.update(_audit_fields(message)[1])


def read_audit(text: str) -> ReadEvent:
    """A line of the audit daemon's own file. Raises ``BadLine`` when its header is damaged."""
    time_ns, fields = _audit_fields(text)
    if time_ns is None:
        raise BadLine("an audit line needs type= and msg=audit(seconds:serial)")
    return ReadEvent(_AUDIT, time_ns, fields)


def _sshd(message: str, fields: dict[str, Value]) -> None:
    if match := _SSHD_LOGIN.match(message):
        outcome, method, invalid, user, address, port = match.groups()
        fields["action"] = outcome.lower()
        fields["auth_method"] = method
        fields["invalid_user"] = invalid is not None
        fields["user"], fields["src_ip"], fields["src_port"] = user, address, int(port)
    elif match := _SSHD_INVALID.match(message):
        fields["action"], fields["invalid_user"] = "invalid-user", True
        fields["user"], fields["src_ip"] = match[1], match[2]
        if match[3]:
            fields["src_port"] = int(match[3])


def _sudo(message: str, fields: dict[str, Value]) -> None:
    match = _SUDO.match(message)
    if match is None:
        return
    user, reason, terminal, folder, target, command = match.groups()
    fields["user"], fields["pwd"], fields["target_user"], fields["command"] = user, folder, target, command
    if reason:
        fields["reason"] = reason
    if terminal:
        fields["tty"] = terminal


def _audit_fields(text: str) -> tuple[int | None, dict[str, Value]]:
    header = _AUDIT_HEADER.match(text)
    if header is None:
        return None, {}
    fields: dict[str, Value] = {"type": header[2], "serial": header[4]}
    if header[1]:
        fields["hostname"] = header[1]
    for pair in _AUDIT_PAIR.finditer(text, header.end()):
        name, value = pair.groups()
        if name not in fields and value != "(null)":
            fields[name] = value.strip('"')
        if len(fields) > MAX_EVENT_FIELDS:
            raise BadLine(f"more than {MAX_EVENT_FIELDS} fields")
    return time_from_epoch_s(float(header[3])), fields
