"""QRadar: LEEF 2.0 after an RFC 5424 header, one message a line over TLS.

A delimiter of its own (``^``) would be allowed; tab is the default and written out, so that LEEF 1 readers fail
loudly. Syslog has no acknowledgement: a message is taken when the peer's machine has confirmed the bytes.
"""

from phalanx.core import Severity, iso_from_ns
from phalanx.intel.delivery._contract import SinkManifest
from phalanx.intel.delivery._model import Item

_FACILITY_LOCAL0 = 16
_SYSLOG_SEVERITY = {
    Severity.INFORMATIONAL: 6, Severity.LOW: 5, Severity.MEDIUM: 4, Severity.HIGH: 3, Severity.CRITICAL: 2,
}  # fmt: skip
_LEEF_SEVERITY = {
    Severity.INFORMATIONAL: 1, Severity.LOW: 3, Severity.MEDIUM: 5, Severity.HIGH: 8, Severity.CRITICAL: 10,
}  # fmt: skip
_MAX_TEXT = 2_000
LEEF_MANIFEST = SinkManifest(
    product="QRadar LEEF", effect="at-least-once", known_by="the attribute externalId", max_items=1_000,
    max_bytes=512_000,
)  # fmt: skip


def leef_line(item: Item, *, node: str, octet_counted: bool) -> bytes:
    """One message. ``octet_counted`` is the framing of RFC 5425; QRadar itself wants lines."""
    pri = _FACILITY_LOCAL0 * 8 + _SYSLOG_SEVERITY[item.severity]
    event = item.techniques[0] if item.techniques else str(item.fields.get("rule", "")) or item.kind
    attributes = {
        "devTime": iso_from_ns(item.at_ns), "devTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'",
        "sev": str(_LEEF_SEVERITY[item.severity]), "cat": item.kind, "externalId": item.id,
        "usrName": item.entity("user"), "src": item.entity("ip"), "identHostName": item.entity("host"),
        "resource": item.case, "title": item.title, "msg": item.text[:_MAX_TEXT], "tenant": item.tenant,
        "revision": str(item.revision), "techniques": ",".join(item.techniques),
    }  # fmt: skip
    body = "\t".join(f"{name}={_value(value)}" for name, value in attributes.items() if value)
    head = f"<{pri}>1 {iso_from_ns(item.at_ns)} {_word(node)} phalanx - {_word(item.kind)} - "
    line = f"{head}LEEF:2.0|Phalanx|Phalanx|1|{_header(event)}|x09|{body}".encode()
    return b"%d %s" % (len(line), line) if octet_counted else line + b"\n"


def _header(text: str) -> str:
    return _value(text).replace("|", "/")


def _value(text: str) -> str:
    # Tab parts attributes and a newline parts messages; LEEF has no escape for either.
    return text.replace("\\", "\\\\").translate(_SPACES)


_SPACES = dict.fromkeys(range(32), " ") | {127: " "}


def _word(text: str) -> str:
    return "".join(char if 33 <= ord(char) < 127 else "-" for char in text)[:48] or "-"
