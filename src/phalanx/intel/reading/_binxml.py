"""Binary XML of Windows event logs: tokens into elements, and values into what JSON can hold.

Hostile bytes are expected: offsets are checked before they are followed, nesting, tokens and output are bounded, and
whatever is wrong is ``BadLine``. What Microsoft publishes of the format ([MS-EVEN6] 2.2.12) leaves out how records lie
in a file; that was found out by others (libevtx) and is checked against a reader that is not ours.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from phalanx.intel._errors import BadLine
from phalanx.intel._limits import MAX_XML_DEPTH, MAX_XML_NAME_CHARS, MAX_XML_STEPS, MAX_XML_VALUES

_U16, _U32 = struct.Struct("<H"), struct.Struct("<I")
_VALUE_HEAD = struct.Struct("<HBx")
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_BINXML, _ARRAY = 0x21, 0x80
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NUMBERS = {
    0x03: "<b", 0x04: "<B", 0x05: "<h", 0x06: "<H", 0x07: "<i", 0x08: "<I", 0x09: "<q", 0x0A: "<Q", 0x0B: "<f",
    0x0C: "<d",
}  # fmt: skip
_SIZES = {0x0D: 4, 0x0F: 16, 0x11: 8, 0x12: 16, 0x14: 4, 0x15: 8} | {
    kind: struct.calcsize(form) for kind, form in _NUMBERS.items()
}


@dataclass(slots=True)
class Element:
    """An element with its parts: text, substitutions and other elements, in order."""

    name: str
    attributes: list[tuple[str, list["Part"]]] = field(default_factory=list)
    content: list["Part"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Substitution:
    """Where a value of the record goes; an ``optional`` one that is null takes its element with it."""

    number: int
    optional: bool


Part = str | Substitution | Element
# A value of a record: what kind it is, and where its bytes are in the chunk.
Slot = tuple[int, int, int]


@dataclass(slots=True)
class Instance:
    """A template and the values of one record for it."""

    root: Element
    slots: Sequence[Slot]


class BinaryXml:
    """The bytes of one chunk of a log, with the templates that were read in it so far."""

    def __init__(self, chunk: bytes) -> None:
        self.data = chunk
        self._steps_left = MAX_XML_STEPS
        self._templates: dict[int, Element] = {}
        self._names: dict[int, tuple[str, int]] = {}

    def spend(self) -> None:
        """One token read, or one part of an element looked at: templates may ask for each other again and again."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise BadLine(f"its chunk takes more than {MAX_XML_STEPS} steps to read")

    def instance(self, at: int, end: int, depth: int = 0) -> Instance:
        """The fragment between two offsets: a template with values, or elements as they are."""
        if depth > MAX_XML_DEPTH:
            raise BadLine(f"binary XML nested deeper than {MAX_XML_DEPTH}")
        self.spend()
        if self.byte(at, end) == 0x0F:
            at += 4
        if self.byte(at, end) == 0x0C:
            return self._template_instance(at, end)
        parser = _Parser(self, at, end, has_ids=depth == 0)
        return Instance(parser.root(), ())

    def byte(self, at: int, end: int) -> int:
        if not 0 <= at < end:
            raise BadLine("binary XML ends too early")
        return self.data[at]

    def number(self, form: struct.Struct, at: int, end: int) -> int:
        if not 0 <= at <= end - form.size:
            raise BadLine("binary XML ends too early")
        value: int = form.unpack_from(self.data, at)[0]
        return value

    def text(self, at: int, n_chars: int, end: int) -> str:
        if not 0 <= at <= end - 2 * n_chars:
            raise BadLine("a text of binary XML ends too early")
        return self.data[at : at + 2 * n_chars].decode("utf-16-le", "replace")

    def name(self, offset: int) -> tuple[str, int]:
        """The name at an offset of the chunk, and the offset behind it."""
        known = self._names.get(offset)
        if known is None:
            whole = len(self.data)
            n_chars = self.number(_U16, offset + 6, whole)
            if n_chars > MAX_XML_NAME_CHARS:
                raise BadLine(f"a name of {n_chars} characters")
            known = self.text(offset + 8, n_chars, whole), offset + 8 + 2 * n_chars + 2
            self._names[offset] = known
        return known

    def _template_instance(self, at: int, end: int) -> Instance:
        """0x0C, a byte, the template's number and offset; its definition where it is first used; the values."""
        offset = self.number(_U32, at + 6, end)
        at += 10
        whole = len(self.data)
        size = self.number(_U32, offset + 20, whole)
        if offset + 24 + size > whole:
            raise BadLine("a template ends behind its chunk")
        if offset not in self._templates:
            parser = _Parser(self, offset + 24, offset + 24 + size, has_ids=True)
            self._templates[offset] = parser.root()
        if offset == at:
            at += 24 + size
        return Instance(self._templates[offset], self._slots(at, end))

    def _slots(self, at: int, end: int) -> list[Slot]:
        n_values = self.number(_U32, at, end)
        if n_values > MAX_XML_VALUES or at + 4 + 4 * n_values > end:
            raise BadLine(f"a record with {n_values} values")
        heads = list(_VALUE_HEAD.iter_unpack(self.data[at + 4 : at + 4 + 4 * n_values]))
        at += 4 + 4 * n_values
        slots = []
        for size, kind in heads:
            if at + size > end:
                raise BadLine("a value ends behind its record")
            slots.append((kind, at, at + size))
            at += size
        return slots


class _Parser:
    """Tokens between two offsets into one tree."""

    def __init__(self, xml: BinaryXml, at: int, end: int, *, has_ids: bool) -> None:
        self._xml = xml
        self._at = at
        self._end = end
        self._has_ids = has_ids

    def root(self) -> Element:
        if self._xml.byte(self._at, self._end) == 0x0F:
            self._at += 4
        token = self._token()
        if token & 0xBF != 0x01:
            raise BadLine(f"binary XML begins with token {token:#x}, not with an element")
        return self._element(1, has_attributes=bool(token & 0x40))

    def _token(self) -> int:
        token = self._xml.byte(self._at, self._end)
        self._at += 1
        self._xml.spend()
        return token

    def _take(self, form: struct.Struct) -> int:
        value = self._xml.number(form, self._at, self._end)
        self._at += form.size
        return value

    def _name(self) -> str:
        offset = self._take(_U32)
        name, behind = self._xml.name(offset)
        if offset == self._at:
            self._at = behind
        return name

    def _chars(self) -> str:
        n_chars = self._take(_U16)
        text = self._xml.text(self._at, n_chars, self._end)
        self._at += 2 * n_chars
        return text

    def _element(self, depth: int, *, has_attributes: bool) -> Element:
        if depth > MAX_XML_DEPTH:
            raise BadLine(f"binary XML nested deeper than {MAX_XML_DEPTH}")
        self._at += (2 if self._has_ids else 0) + 4
        element = Element(self._name())
        if has_attributes:
            self._at += 4
        parts = element.content
        while True:
            token = self._token()
            kind = token & 0xBF
            if kind == 0x06:
                parts = []
                element.attributes.append((self._name(), parts))
            elif kind == 0x02:
                parts = element.content
            elif kind in (0x03, 0x04):
                return element
            elif kind == 0x01:
                parts.append(self._element(depth + 1, has_attributes=bool(token & 0x40)))
            else:
                self._other(kind, parts)

    def _other(self, kind: int, parts: list[Part]) -> None:
        if kind == 0x05:
            parts.append(self._value())
        elif kind in (0x0D, 0x0E):
            number = self._take(_U16)
            self._at += 1
            parts.append(Substitution(number, kind == 0x0E))
        elif kind == 0x07:
            parts.append(self._chars())
        elif kind == 0x08:
            parts.append(chr(self._take(_U16)).encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        elif kind == 0x09:
            name = self._name()
            parts.append(_ENTITIES.get(name, f"&{name};"))
        elif kind == 0x0A:
            self._name()
        elif kind == 0x0B:
            self._chars()
        else:
            raise BadLine(f"token {kind:#x} of binary XML is not known")

    def _value(self) -> str:
        kind = self._take_byte()
        if kind == 0x01:
            return self._chars()
        size = _SIZES.get(kind)
        if size is None or self._at + size > self._end:
            raise BadLine(f"a value of type {kind:#x} in the text of binary XML")
        value = value_of(kind, self._xml.data[self._at : self._at + size])
        self._at += size
        return text_of(value)

    def _take_byte(self) -> int:
        byte = self._xml.byte(self._at, self._end)
        self._at += 1
        return byte


def value_of(kind: int, data: bytes) -> Any:
    """A value as text, number, truth or list; None for null."""
    if kind & _ARRAY:
        return _array(kind & ~_ARRAY, data)
    if kind == 0x01:
        return data.decode("utf-16-le", "replace").rstrip("\0")
    if kind in _NUMBERS:
        form = _NUMBERS[kind]
        return struct.unpack(form, data)[0] if len(data) == _SIZES[kind] else data.hex().upper()
    if kind == 0x00:
        return None
    if kind == 0x02:
        return data.rstrip(b"\0").decode("cp1252", "replace")
    if kind == 0x13:
        return _sid(data)
    if kind in (0x10, 0x14, 0x15):
        return f"{int.from_bytes(data, 'little'):#x}"
    if len(data) == _SIZES.get(kind, -1):
        return _fixed(kind, data)
    return data.hex().upper()


def _fixed(kind: int, data: bytes) -> Any:
    if kind == 0x0D:
        return any(data)
    if kind == 0x0F:
        return f"{{{str(UUID(bytes_le=data)).upper()}}}"
    if kind == 0x11:
        return filetime(int.from_bytes(data, "little"))
    year, month, _, day, hour, minute, second, ms = struct.unpack("<8H", data)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"


def _array(kind: int, data: bytes) -> list[Any]:
    if kind == 0x01:
        return data.decode("utf-16-le", "replace").removesuffix("\0").split("\0") if data else []
    size = _SIZES.get(kind)
    if size is None or len(data) % size:
        return [data.hex().upper()]
    return [value_of(kind, data[at : at + size]) for at in range(0, len(data), size)]


def filetime(ticks: int) -> str:
    """Hundreds of nanoseconds since 1601 as ISO time."""
    try:
        whole = _EPOCH + timedelta(seconds=ticks // 10_000_000)
    except OverflowError:
        return str(ticks)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ticks % 10_000_000:07}Z"


def _sid(data: bytes) -> str:
    if len(data) < 8 or len(data) != 8 + 4 * data[1]:
        return data.hex().upper()
    parts = struct.unpack_from(f"<{data[1]}I", data, 8)
    return "-".join(["S", str(data[0]), str(int.from_bytes(data[2:8], "big")), *map(str, parts)])


def text_of(value: Any) -> str:
    """A value within other text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(text_of, value)) if isinstance(value, list) else str(value)
