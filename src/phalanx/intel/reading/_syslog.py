"""Syslog lines: RFC 5424, RFC 3164, and the forms in which files keep them.

- RFC 5424: ``<34>1 2026-03-02T08:30:00.123Z host app 4711 ID [data] message``
- RFC 3164: ``<34>Mar  2 08:30:00 host app[4711]: message``; files lack the ``<34>``
- rsyslog's file format: ``2026-03-02T08:30:00.123456+00:00 host app[4711]: message``
- the audit daemon's own lines: ``type=SYSCALL msg=audit(1604996384.965:93777): key=value …``
- ``<34>`` and any text, which RFC 3164 allows (section 4.3.2): the time is that of acceptance

RFC 3164 has neither year nor zone: the time is read as UTC, in the latest year in which it lies
at most a day after the line was accepted; devices that write the year (``Mar  2 2026 08:30:00``)
are believed. Fields: ``hostname``, ``program``, ``pid``, ``facility``, ``severity``, ``message``, and
what the program's own message says (``_programs``).
"""

import re

from phalanx.core import NS_PER_S, Value, iso_from_ns
from phalanx.intel._errors import BadLine
from phalanx.intel.reading._dates import MONTHS, midnight_s, time_from_date
from phalanx.intel.reading._fields import ReadEvent, time_from_text
from phalanx.intel.sigma._programs import AUDIT_PREFIX, log_source_of, message_fields, read_audit

_MAX_PRIORITY = 191

# Priority, then the one character that tells the dialects apart.
_PRIORITY = re.compile(r"<(\d{1,3})>")
_RFC5424 = re.compile(r"1 (\S+) (\S+) (\S+) (\S+) (\S+) ")
_BSD = re.compile(r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d) (\S+) ")
# What network devices make of it: a running number first, the year and a fraction in the date, no host.
_NUMBERED = re.compile(r"\d{1,10}: (?:([^\s:*]{1,255}): )?[*.]?(?=[A-Z][a-z]{2} )")
_DATED = re.compile(
    r"([A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d{1,9})?)(?: ([^\s:%](?:\S*[^\s:])?))?(?: ?:)? "
)
_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\S+) (\S+) ")
_TAG = re.compile(r"([^\s:\[]{1,128})(?:\[(\d{1,10})\])?: ?")
_HEADLESS = re.compile(rb"<\d{1,3}>(?!1 |[A-Z][a-z]{2} [ \d]|\d{4}-\d\d-\d\dT|\d{1,10}: )")
_STRUCTURED = re.compile(r'-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*")*\])+')


def is_syslog(line: bytes) -> bool:
    """Whether a line starts like one of the forms."""
    first = line[:1]
    return first == b"<" or first.isdigit() or line[:3].decode("ascii", "replace") in MONTHS or is_audit(line)


def is_audit(line: bytes) -> bool:
    return line.startswith(AUDIT_PREFIX)


def read_syslog(line: bytes, accepted_at_ns: int) -> ReadEvent:
    """Raises ``BadLine`` when the line has none of the forms. Bytes that are not UTF-8 are kept escaped."""
    text = line.decode("utf-8", "backslashreplace")
    if is_audit(line):
        return read_audit(text)
    fields: dict[str, Value] = {}
    at = _read_priority(text, fields)
    has_priority = at > 0
    if (match := _RFC5424.match(text, at)) and has_priority:
        time_ns = _read_rfc5424(text, match, fields)
    elif match := _BSD.match(text, at):
        # A sender that names no host begins with its tag.
        host_at, host_end = match.span(6)
        has_host = text[host_end - 1] != ":"
        if has_host:
            fields["hostname"] = match[6]
        time_ns = _bsd_time(match, accepted_at_ns // NS_PER_S)
        _read_tagged(text, match.end() if has_host else host_at, fields)
    elif match := _ISO.match(text, at):
        fields["hostname"] = match[2]
        time_ns = time_from_text(match[1])
        _read_tagged(text, match.end(), fields)
    else:
        time_ns = _read_loose(text, at, fields, accepted_at_ns)
    if time_ns is None:
        raise BadLine("the time stamp of the syslog line is not a time")
    message_fields(fields)
    return ReadEvent(log_source_of(str(fields["program"])), time_ns, fields)


def from_sender(line: bytes, sender: str, at_ns: int) -> bytes:
    """A line that is only a priority and text, with the time and the address that it came from in between (RFC 3164,
    section 4.3.2); any other as it is.
    """
    match = _HEADLESS.match(line)
    if match is None or not sender:
        return line
    end = match.end()
    return b"%s%s %s %s" % (line[:end], iso_from_ns(at_ns).encode(), sender.encode(), line[end:])


def _read_loose(text: str, at: int, fields: dict[str, Value], accepted_at_ns: int) -> int | None:
    """What is no whole header: the date as devices write it, or nothing but text after the priority."""
    if match := _NUMBERED.match(text, at):
        at = match.end()
        if match[1]:
            fields["hostname"] = match[1]
    if match := _DATED.match(text, at):
        if match[2]:
            fields["hostname"] = match[2]
        _read_tagged(text, match.end(), fields)
        return time_from_date(match[1], accepted_at_ns)
    if "facility" not in fields or text.startswith("1 ", at) or not text[at:].strip():
        raise BadLine("not a syslog line: no RFC 5424 header, BSD or ISO time after the priority")
    _read_tagged(text, at, fields)
    return accepted_at_ns


def _read_priority(text: str, fields: dict[str, Value]) -> int:
    match = _PRIORITY.match(text)
    if match is None:
        return 0
    priority = int(match[1])
    if priority > _MAX_PRIORITY:
        raise BadLine(f"syslog priority {priority} is above {_MAX_PRIORITY}")
    fields["facility"], fields["severity"] = divmod(priority, 8)
    return match.end()


def _read_rfc5424(text: str, match: re.Match[str], fields: dict[str, Value]) -> int | None:
    stamp, host, program, pid, message_id = match.groups()
    header = {"hostname": host, "program": program, "pid": pid, "msgid": message_id}
    fields.update((name, value) for name, value in header.items() if value != "-")
    fields.setdefault("program", "")
    data = _STRUCTURED.match(text, match.end())
    if data is None:
        raise BadLine("the structured data of the RFC 5424 line is damaged")
    if data[0] != "-":
        fields["structured_data"] = data[0]
    fields["message"] = text[data.end() :].removeprefix(" ").removeprefix("\ufeff")
    return time_from_text(stamp)


def _read_tagged(text: str, at: int, fields: dict[str, Value]) -> None:
    match = _TAG.match(text, at)
    if match is None:
        fields["program"], fields["message"] = "", text[at:]
        return
    fields["program"] = match[1]
    if match[2]:
        fields["pid"] = match[2]
    fields["message"] = text[match.end() :]


def _bsd_time(match: re.Match[str], accepted_at_s: int) -> int | None:
    month, *numbers = match.group(1, 2, 3, 4, 5)
    day, hour, minute, second = map(int, numbers)
    number = MONTHS.get(month)
    if number is None:
        return None
    accepted_day = accepted_at_s // 86_400
    since_s = midnight_s(number, day, accepted_day)
    if since_s is None or hour > 23 or minute > 59 or second > 60:
        return None
    return (since_s + hour * 3_600 + minute * 60 + second) * NS_PER_S
