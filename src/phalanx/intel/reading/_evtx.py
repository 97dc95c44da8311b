"""Event logs of Windows (EVTX files), a record a line: as flat JSON with the names that Windows' own fields have.

A file is a header of 4 KiB and chunks of 64 KiB, each with its own records, names and templates: a chunk is all that
is held. A record that cannot be read becomes a line that no reader takes, with the reason, and what follows it is
read; so nothing that the file has goes by unseen.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from phalanx.core import KIB, MAX_EVENT_BYTES
from phalanx.intel._errors import BadLine
from phalanx.intel._limits import MAX_EVENT_FIELDS, MAX_XML_DEPTH
from phalanx.intel.reading._binxml import BinaryXml, Element, Instance, Part, Substitution, filetime, text_of, value_of
from phalanx.intel.reading._unread import unread_line

EVTX_MAGIC: Final = b"ElfFile\0"
EVTX_CHUNK_BYTES: Final = 64 * KIB
EVTX_HEADER_BYTES: Final = 4 * KIB

_CHUNK_MAGIC = b"ElfChnk\0"
_RECORD_MAGIC = b"**\0\0"
_RECORD_HEAD = struct.Struct("<4sIQQ")
_RECORDS_AT, _FREE_AT = 512, 48
_BINXML = 0x21

# What every event says of itself: element, attribute (empty: its text), and the field's name.
_SYSTEM = {
    ("Provider", "Name"): "SourceName",
    ("Provider", "Guid"): "ProviderGuid",
    ("EventID", ""): "EventID",
    ("EventID", "Qualifiers"): "Qualifiers",
    ("TimeCreated", "SystemTime"): "TimeCreated",
    ("EventRecordID", ""): "RecordNumber",
    ("Correlation", "ActivityID"): "ActivityID",
    ("Correlation", "RelatedActivityID"): "RelatedActivityID",
    ("Execution", "ProcessID"): "ExecutionProcessID",
    ("Execution", "ThreadID"): "ThreadID",
    ("Computer", ""): "Hostname",
    ("Security", "UserID"): "UserID",
}

_to_json = msgspec.json.Encoder()


def evtx_lines(data: bytes) -> Iterator[bytes]:
    """The lines of a whole log in memory."""
    for number, at in enumerate(range(EVTX_HEADER_BYTES, len(data), EVTX_CHUNK_BYTES)):
        yield from chunk_lines(data[at : at + EVTX_CHUNK_BYTES], number)


def chunk_lines(chunk: bytes, number: int) -> Iterator[bytes]:
    """The lines of one chunk; ``number`` is its place in the file."""
    if not chunk.startswith(_CHUNK_MAGIC):
        if chunk.strip(b"\0"):
            yield unread_line(f"chunk {number} of the event log has no header", chunk)
        return
    if len(chunk) < _RECORDS_AT:
        yield unread_line(f"chunk {number} of the event log is cut off", chunk)
        return
    xml = BinaryXml(chunk)
    free = int.from_bytes(chunk[_FREE_AT : _FREE_AT + 4], "little")
    end = free if _RECORDS_AT <= free <= len(chunk) else len(chunk)
    at = _RECORDS_AT
    while at + _RECORD_HEAD.size <= end:
        magic, size, record, written = _RECORD_HEAD.unpack_from(chunk, at)
        if magic != _RECORD_MAGIC or size < _RECORD_HEAD.size + 4 or at + size > len(chunk):
            behind = chunk.find(_RECORD_MAGIC, at + 4, end)
            behind = end if behind < 0 else behind
            if chunk[at:behind].strip(b"\0"):
                yield unread_line(f"chunk {number} of the event log is damaged at {at}", chunk[at:behind])
            at = behind
            continue
        yield _line(xml, at + _RECORD_HEAD.size, at + size - 4, record, written)
        at += size


def _line(xml: BinaryXml, at: int, end: int, record: int, written: int) -> bytes:
    try:
        line = _to_json.encode(_fields(xml, xml.instance(at, end), written))
    except BadLine as bad:
        return unread_line(f"record {record} of the event log: {bad.reason}", xml.data[at:end])
    if len(line) > MAX_EVENT_BYTES:
        return unread_line(f"record {record} of the event log is longer than {MAX_EVENT_BYTES} bytes", xml.data[at:end])
    return line


def _fields(xml: BinaryXml, instance: Instance, written: int) -> dict[str, Any]:
    root = instance.root
    if root.name != "Event":
        raise BadLine(f"its element is {root.name[:40]!r}, not Event")
    gathered = _Gathered(xml)
    for child, values in gathered.elements(root.content, instance, 0):
        if child.name == "System":
            gathered.system(child, values)
        elif child.name == "EventData":
            gathered.event_data(child, values)
        elif child.name == "UserData":
            for inner, inner_values in gathered.elements(child.content, values, 1):
                gathered.nested(inner, inner_values, "", 1)
        else:
            gathered.nested(child, values, f"{child.name}.", 1)
    fields = gathered.system_fields
    fields.setdefault("TimeCreated", filetime(written))
    for name, value in gathered.data.items():
        fields[f"EventData.{name}" if name in fields else name] = value
    return fields


class _Gathered:
    """The fields of one record as its elements are walked."""

    def __init__(self, xml: BinaryXml) -> None:
        self._xml = xml
        self._chars_left = MAX_EVENT_BYTES
        self.system_fields: dict[str, Any] = {}
        self.data: dict[str, Any] = {}

    def elements(self, parts: list[Part], instance: Instance, depth: int) -> Iterator[tuple[Element, Instance]]:
        """The elements among the parts; also those that a value brings along as XML of its own."""
        if depth > MAX_XML_DEPTH:
            raise BadLine(f"binary XML nested deeper than {MAX_XML_DEPTH}")
        for part in parts:
            self._xml.spend()
            if isinstance(part, Element):
                yield part, instance
            elif isinstance(part, Substitution) and part.number < len(instance.slots):
                kind, at, end = instance.slots[part.number]
                if kind == _BINXML and at < end:
                    inner = self._xml.instance(at, end, depth + 1)
                    yield inner.root, inner

    def system(self, element: Element, instance: Instance) -> None:
        for child, values in self.elements(element.content, instance, 1):
            self._put_system(child.name, "", self.value(child.content, values))
            for attribute, parts in child.attributes:
                self._put_system(child.name, attribute, self.value(parts, values))

    def event_data(self, element: Element, instance: Instance) -> None:
        """Named data under their names; data without one together, in their order."""
        self._attributes(element, instance, "EventData.")
        unnamed: list[Any] = []
        for child, values in self.elements(element.content, instance, 1):
            name = next((text_of(self.value(parts, values)) for key, parts in child.attributes if key == "Name"), "")
            if child.name == "Data" and not name:
                value = self.value(child.content, values)
                unnamed += value if isinstance(value, list) else [value]
            elif child.name == "Data":
                self._put(name, self.value(child.content, values))
            else:
                self.nested(child, values, f"{child.name}.", 2, own=child.name)
        unnamed = [value for value in unnamed if value is not None]
        if unnamed:
            self._put("Data", unnamed[0] if len(unnamed) == 1 else unnamed)

    def nested(self, element: Element, instance: Instance, prefix: str, depth: int, *, own: str = "") -> None:
        """Elements below one of the event's own making, by their names, deeper ones with dots."""
        inner = list(self.elements(element.content, instance, depth))
        self._attributes(element, instance, prefix)
        if not inner:
            self._put(own or prefix.removesuffix(".") or element.name, self.value(element.content, instance))
        for child, values in inner:
            self.nested(child, values, f"{prefix}{child.name}.", depth + 1)

    def _attributes(self, element: Element, instance: Instance, prefix: str) -> None:
        for name, parts in element.attributes:
            if not name.startswith("xmlns"):
                self._put(prefix + name, self.value(parts, instance))

    def value(self, parts: list[Part], instance: Instance) -> Any:
        """The value of a single part as it is, of several as text."""
        if len(parts) == 1:
            return self._part(parts[0], instance)
        texts = [text_of(self._part(part, instance)) for part in parts if not isinstance(part, Element)]
        return "".join(texts) if texts else None

    def _part(self, part: Part, instance: Instance) -> Any:
        if isinstance(part, str):
            return self._counted(part, len(part))
        if isinstance(part, Element) or part.number >= len(instance.slots):
            return None
        kind, at, end = instance.slots[part.number]
        if kind == _BINXML:
            return None
        return self._counted(value_of(kind, self._xml.data[at:end]), end - at)

    def _counted(self, value: Any, size: int) -> Any:
        # A template may ask for the same long value thousands of times.
        self._chars_left -= size
        if self._chars_left < 0:
            raise BadLine(f"longer than {MAX_EVENT_BYTES} bytes")
        return value

    def _put_system(self, element: str, attribute: str, value: Any) -> None:
        if value not in (None, ""):
            name = _SYSTEM.get((element, attribute), f"{element}.{attribute}" if attribute else element)
            self.system_fields[name] = value

    def _put(self, name: str, value: Any) -> None:
        if value is None:
            return
        if len(self.data) >= MAX_EVENT_FIELDS:
            raise BadLine(f"more than {MAX_EVENT_FIELDS} fields")
        if name in self.data:
            before = self.data[name]
            value = [*(before if isinstance(before, list) else [before]), value]
        self.data[name] = value
