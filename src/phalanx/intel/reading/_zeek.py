"""Zeek logs as JSON, one object a line, with Zeek's own field names (``id.orig_h``, ``qtype_name``).

The stream is named by ``_path`` when the sensor writes it, and otherwise told by the fields
that only one stream has.
"""

from typing import Any

from phalanx.core import LogSource
from phalanx.intel._errors import BadLine
from phalanx.intel.reading._fields import ReadEvent, flatten, time_from_epoch_s, time_from_text

# Category: the generic name under which Sigma rules ask for the stream.
_STREAMS = {
    "conn": LogSource("zeek", "firewall", "conn"),
    "dce_rpc": LogSource("zeek", "", "dce_rpc"),
    "dns": LogSource("zeek", "dns", "dns"),
    "files": LogSource("zeek", "", "files"),
    "http": LogSource("zeek", "proxy", "http"),
    "kerberos": LogSource("zeek", "", "kerberos"),
    "notice": LogSource("zeek", "", "notice"),
    "rdp": LogSource("zeek", "", "rdp"),
    "smb_files": LogSource("zeek", "", "smb_files"),
    "smb_mapping": LogSource("zeek", "", "smb_mapping"),
    "ssh": LogSource("zeek", "", "ssh"),
    "ssl": LogSource("zeek", "", "ssl"),
    "weird": LogSource("zeek", "", "weird"),
    "x509": LogSource("zeek", "", "x509"),
}
_UNKNOWN_STREAM = LogSource("zeek", "", "")

# Looked for in this order; a field that no other stream has.
_MARKS = (("conn_state", "conn"), ("qtype", "dns"), ("query", "dns"), ("user_agent", "http"), ("method", "http"))


def is_zeek(record: dict[str, Any]) -> bool:
    """Whether a decoded line looks like a record of a Zeek stream."""
    return "ts" in record and ("id.orig_h" in record or "_path" in record or "uid" in record)


def read_zeek(record: dict[str, Any]) -> ReadEvent:
    """Raises ``BadLine`` when the time stamp or any sign of the stream is missing."""
    fields = flatten(record)
    stamp = fields.get("ts")
    time_ns = time_from_text(stamp) if stamp.__class__ is str else time_from_epoch_s(stamp)
    if time_ns is None:
        raise BadLine("a Zeek record needs ts, as UNIX seconds or ISO time")
    path = fields.get("_path")
    if path is not None:
        return ReadEvent(_STREAMS.get(str(path), _UNKNOWN_STREAM), time_ns, fields)
    for mark, stream in _MARKS:
        if mark in fields:
            return ReadEvent(_STREAMS[stream], time_ns, fields)
    if "id.orig_h" not in fields:
        raise BadLine("a Zeek record without _path needs the fields of its stream")
    return ReadEvent(_UNKNOWN_STREAM, time_ns, fields)
