"""JSON of sources that name their fields themselves: Suricata EVE, AWS CloudTrail, and events in ECS or OCSF.

- Suricata's EVE log (``eve.json``): ``timestamp`` and ``event_type``.
- CloudTrail, one record a line: ``eventSource`` and ``eventName`` (whole files of ``{"Records": […]}`` are cut first).
  Shippers that put the time under ``@timestamp`` instead of ``eventTime`` are understood.
- Elastic Common Schema: ``@timestamp`` beside ``ecs.version`` or ``event.category``.
- OCSF: ``class_uid`` and ``time`` in milliseconds.

Fields keep their names, nested ones with dots; the tables of Sigma's names are in ``phalanx.intel.sigma``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from phalanx.core import NS_PER_MS, LogSource, Value
from phalanx.intel._errors import BadLine
from phalanx.intel.reading._fields import ReadEvent, flatten, time_from_text

_EVE = {
    "alert": LogSource("suricata", "", "alert"),
    "anomaly": LogSource("suricata", "", "anomaly"),
    "dns": LogSource("suricata", "dns", "dns"),
    "fileinfo": LogSource("suricata", "", "fileinfo"),
    "flow": LogSource("suricata", "firewall", "flow"),
    "http": LogSource("suricata", "proxy", "http"),
    "smb": LogSource("suricata", "", "smb"),
    "ssh": LogSource("suricata", "", "ssh"),
    "tls": LogSource("suricata", "", "tls"),
}
_OTHER_EVE = LogSource("suricata", "", "")
_CLOUDTRAIL = LogSource("aws", "", "cloudtrail")
_SYSTEMS = {"windows": "windows", "linux": "linux", "macos": "macos"}
_OCSF_PROCESS_ACTIVITY, _LAUNCH = 1007, 1
# The last millisecond of the year 9999, which is all that an identifier can hold.
_LAST_MS = 253_402_300_799_999


def json_source(record: dict[str, Any]) -> str:
    """The reader that a decoded line belongs to; empty when it is none of these."""
    for name, is_of in _MARKS.items():
        if is_of(record):
            return name
    return ""


def read_suricata(record: dict[str, Any], _: int) -> ReadEvent:
    """Raises ``BadLine`` without a time or a type."""
    time_ns = time_from_text(record.get("timestamp"))
    kind = record.get("event_type")
    if time_ns is None or kind.__class__ is not str:
        raise BadLine("a record of Suricata's EVE log needs timestamp and event_type")
    return ReadEvent(_EVE.get(str(kind), _OTHER_EVE), time_ns, flatten(record))


def read_cloudtrail(record: dict[str, Any], _: int) -> ReadEvent:
    """Raises ``BadLine`` without a time or a name, and for a whole file in one line."""
    if record.get("Records").__class__ is list:
        raise BadLine("a CloudTrail file with Records: send its records one a line (jq -c '.Records[]')")
    time_ns = time_from_text(record.get("eventTime"))
    if time_ns is None:
        time_ns = time_from_text(record.get("@timestamp"))
    if time_ns is None or "eventName" not in record:
        raise BadLine("a CloudTrail record needs eventTime and eventName")
    return ReadEvent(_CLOUDTRAIL, time_ns, flatten(record))


def read_ecs(record: dict[str, Any], _: int) -> ReadEvent:
    """Raises ``BadLine`` without a time."""
    fields = flatten(record)
    time_ns = time_from_text(fields.get("@timestamp"))
    if time_ns is None:
        raise BadLine("an ECS event needs @timestamp, as ISO time")
    system = _SYSTEMS.get(str(fields.get("host.os.type") or fields.get("host.os.family") or "").lower(), "")
    started = _has(fields, "event.category", "process") and _has(fields, "event.type", "start")
    return ReadEvent(LogSource(system or "ecs", "process_creation" if started else "", "ecs"), time_ns, fields)


def read_ocsf(record: dict[str, Any], _: int) -> ReadEvent:
    """Raises ``BadLine`` without a class or a time."""
    class_uid, at_ms = record.get("class_uid"), record.get("time")
    if class_uid.__class__ is not int or at_ms.__class__ is not int or not 0 <= at_ms <= _LAST_MS:
        raise BadLine("an OCSF event needs class_uid, and time in milliseconds since 1970")
    fields = flatten(record)
    started = class_uid == _OCSF_PROCESS_ACTIVITY and fields.get("activity_id") == _LAUNCH
    system = _SYSTEMS.get(str(fields.get("device.os.type") or fields.get("device.os.name") or "").lower(), "")
    return ReadEvent(
        LogSource(system or "ocsf", "process_creation" if started else "", "ocsf"), at_ms * NS_PER_MS, fields
    )


def _has(fields: Mapping[str, Value], name: str, word: str) -> bool:
    """Whether a field is the word, or a list with it (lists are JSON text by now)."""
    value = fields.get(name)
    return value == word or (isinstance(value, str) and value.startswith("[") and f'"{word}"' in value)


def _is_ecs(record: dict[str, Any]) -> bool:
    if "@timestamp" not in record or "winlog" in record:
        return False
    event = record.get("event")
    return (
        "ecs" in record
        or "ecs.version" in record
        or "event.category" in record
        or (event.__class__ is dict and "category" in event)
    )


_MARKS: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "suricata": lambda record: "event_type" in record and "timestamp" in record,
    "cloudtrail": lambda record: ("eventName" in record and "eventSource" in record) or "Records" in record,
    "ocsf": lambda record: "class_uid" in record and "time" in record,
    "ecs": _is_ecs,
}
JSON_READERS: Mapping[str, Callable[[dict[str, Any], int], ReadEvent]] = {
    "suricata": read_suricata,
    "cloudtrail": read_cloudtrail,
    "ocsf": read_ocsf,
    "ecs": read_ecs,
}
