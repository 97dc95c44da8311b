"""From bytes to columns: lines are recognised, read, and gathered into one batch per log source.

Pure. Hostile input is expected: whatever the bytes, every line ends in a batch or in
``rejected`` with a reason, and never in an exception.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec

from phalanx.core import (
    MAX_EVENT_BYTES,
    BatchId,
    EventBatch,
    InvalidInput,
    LogSource,
    TenantId,
    Value,
)
from phalanx.intel._errors import BadLine, NoEvent
from phalanx.intel._limits import END_OF_TIME_NS, MAX_BATCH_COLUMNS, MAX_HEADER_SEARCH_BYTES
from phalanx.intel.reading._fields import ReadEvent
from phalanx.intel.reading._headed import headed, read_cef, read_leef
from phalanx.intel.reading._json_sources import JSON_READERS, json_source
from phalanx.intel.reading._lines import split_lines
from phalanx.intel.reading._own_format import read_own
from phalanx.intel.reading._syslog import is_syslog, read_syslog
from phalanx.intel.reading._unread import UNREAD_MARK, reason_of
from phalanx.intel.reading._windows import is_windows, read_windows
from phalanx.intel.reading._zeek import is_zeek, read_zeek
from phalanx.intel.reading._zeek_tsv import TSV_MARK, TSV_PREFIX, check_tsv_reader, tsv_reader, tsv_reading

AUTO = "auto"
# What the node itself saw; no sender may name it.
OWN = "own"

_json = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that no reader took. ``row`` is its place in the chunk."""

    row: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class ReadOut:
    """What became of a chunk: every line is an event, rejected or skipped."""

    batches: tuple[EventBatch, ...]
    rejected: tuple[Rejected, ...]
    # Lines of a log's header.
    skipped: int = 0

    @property
    def events(self) -> int:
        return sum(len(batch) for batch in self.batches)


@dataclass(slots=True)
class _Gathered:
    """The events of one log source on their way into columns."""

    reader: str
    rows: list[int] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    fields: list[dict[str, Value]] = field(default_factory=list)


def read_chunk(data: bytes, *, reader: str = AUTO, tenant: TenantId, batch: BatchId, accepted_at_ns: int) -> ReadOut:
    """Read all lines of ``data``; blank ones are skipped and have no row."""
    lines = split_lines(data)
    return read_lines(lines, reader=reader, tenant=tenant, batch=batch, accepted_at_ns=accepted_at_ns)


def read_lines(
    lines: Sequence[bytes],
    *,
    first_row: int = 0,
    reader: str = AUTO,
    tenant: TenantId,
    batch: BatchId,
    accepted_at_ns: int,
    about: Callable[[LogSource], bool] | None = None,
) -> ReadOut:
    """Read lines that are rows ``first_row`` and on of the batch. Raises only for an unknown reader.

    With ``about``, events of log sources for which it does not hold are left out, and cost half as much.
    """
    read = _reader(reader)
    gathered: dict[tuple[LogSource, str], _Gathered] = {}
    rejected: list[Rejected] = []
    skipped = 0
    for row, line in enumerate(lines, first_row):
        try:
            if line.startswith(UNREAD_MARK):
                raise BadLine(reason_of(line))
            name, (log_source, time_ns, fields) = read(line, accepted_at_ns)
        except NoEvent:
            skipped += 1
            continue
        except BadLine as bad:
            rejected.append(Rejected(row, bad.reason, line))
            continue
        group = gathered.get((log_source, name))
        if group is None:
            group = gathered[log_source, name] = _Gathered(name)
        group.rows.append(row)
        # What is kept and searched counts in 64 bits; readers know times up to the year 9999.
        group.times_ns.append(time_ns if time_ns < END_OF_TIME_NS else accepted_at_ns)
        group.raw.append(line)
        group.fields.append(fields)
    batches = tuple(
        EventBatch(tenant, batch, log_source, group.reader, accepted_at_ns, rows, times_ns, raw, columns)
        for (log_source, _), group in gathered.items()
        if about is None or about(log_source)
        for rows, times_ns, raw, columns in _columns(group)
    )
    return ReadOut(batches, tuple(rejected), skipped)


def check_reader(reader: str) -> None:
    """Raises ``InvalidInput`` unless there is such a reader for those who send."""
    if reader.startswith(TSV_PREFIX):
        check_tsv_reader(reader)
    elif reader not in READERS:
        raise InvalidInput("reader", f"there is no reader {reader!r}", hint=f"one of {', '.join(READERS)}")


def reader_for(data: bytes, reader: str) -> str:
    """The reader that a chunk is read with: a Zeek log that begins with its header brings its own."""
    if reader in (AUTO, "zeek") and data.startswith(TSV_MARK):
        return tsv_reader(data) or reader
    return reader


def _columns(
    group: _Gathered,
) -> list[tuple[list[int], list[int], list[bytes], dict[str, list[Value]]]]:
    """The group as columns; in several parts when its events bring too many different fields."""
    names = dict.fromkeys(chain.from_iterable(group.fields))
    if len(names) <= MAX_BATCH_COLUMNS:
        columns = {name: [fields.get(name) for fields in group.fields] for name in names}
        return [(group.rows, group.times_ns, group.raw, columns)]
    parts = []
    start = 0
    seen: dict[str, None] = {}
    for end, fields in enumerate([*group.fields, None]):
        if fields is not None:
            grown = seen | dict.fromkeys(fields)
            if len(grown) <= MAX_BATCH_COLUMNS or end == start:
                seen = grown
                continue
        part = group.fields[start:end]
        columns = {name: [event.get(name) for event in part] for name in seen}
        parts.append((group.rows[start:end], group.times_ns[start:end], group.raw[start:end], columns))
        start, seen = end, dict.fromkeys(fields or ())
    return parts


def _decoded(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_EVENT_BYTES:
        raise BadLine(f"longer than {MAX_EVENT_BYTES} bytes")
    try:
        record = _json.decode(line)
    except RecursionError:
        raise BadLine("not JSON that can be read: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLine(f"not JSON: {error}") from None
    if record.__class__ is not dict:
        raise BadLine("not a JSON object")
    return record


def _windows(line: bytes, accepted_at_ns: int) -> tuple[str, ReadEvent]:
    return "windows", read_windows(_decoded(line), accepted_at_ns)


def _zeek(line: bytes, _: int) -> tuple[str, ReadEvent]:
    return "zeek", read_zeek(_decoded(line))


def _syslog(line: bytes, accepted_at_ns: int) -> tuple[str, ReadEvent]:
    if len(line) > MAX_EVENT_BYTES:
        raise BadLine(f"longer than {MAX_EVENT_BYTES} bytes")
    return "syslog", read_syslog(line, accepted_at_ns)


def _auto(line: bytes, accepted_at_ns: int) -> tuple[str, ReadEvent]:
    if line.lstrip()[:1] == b"{":
        record = _decoded(line)
        if (read := _of_known_source(record, accepted_at_ns)) is not None:
            return read
        raise BadLine(_of_no_source(record))
    if name := headed(line):
        return _HEADED[name](line, accepted_at_ns)
    if is_syslog(line):
        behind = _json_behind(line, accepted_at_ns)
        return _syslog(line, accepted_at_ns) if behind is None else behind
    if len(line) > MAX_EVENT_BYTES:
        raise BadLine(f"longer than {MAX_EVENT_BYTES} bytes")
    raise BadLine("of no known source: neither JSON, CEF, LEEF, syslog nor audit")


def _of_known_source(record: dict[str, Any], accepted_at_ns: int) -> tuple[str, ReadEvent] | None:
    if is_windows(record):
        return "windows", read_windows(record, accepted_at_ns)
    if is_zeek(record):
        return "zeek", read_zeek(record)
    if name := json_source(record):
        return name, JSON_READERS[name](record, accepted_at_ns)
    return None


def _json_behind(line: bytes, accepted_at_ns: int) -> tuple[str, ReadEvent] | None:
    """What a syslog header brings as JSON of a known source, the header's words beside it; None for anything else."""
    start = line.find(b"{", 0, MAX_HEADER_SEARCH_BYTES)
    if start <= 0 or line[start - 1 : start] != b" " or not line.endswith((b"}", b"}\r")):
        return None
    try:
        header = read_syslog(line[:start] + b"-", accepted_at_ns)
        read = _of_known_source(_decoded(line[start:]), accepted_at_ns)
    except BadLine:
        # It is syslog all the same, and kept as that.
        return None
    if read is None:
        return None
    name, event = read
    told = {f"syslog.{key}": header.fields[key] for key in ("hostname", "program") if header.fields.get(key)}
    return name, event._replace(fields=told | event.fields)


def _of_no_source(record: dict[str, Any]) -> str:
    kind = record.get("type")
    if record.get("spec_version") or (kind == "bundle" and "objects" in record):
        return "STIX is intelligence and no event: import it with phalanx intel stix"
    if record.get("Event").__class__ is dict or ("Attribute" in record and "uuid" in record):
        return "a MISP event is intelligence and no event: import it with phalanx intel misp"
    return "JSON of no known source: neither Windows, Zeek, Suricata, CloudTrail, ECS nor OCSF"


def _of_json(name: str) -> Callable[[bytes, int], tuple[str, ReadEvent]]:
    read = JSON_READERS[name]
    return lambda line, accepted_at_ns: (name, read(_decoded(line), accepted_at_ns))


def _of_text(name: str, read: Callable[[bytes, int], ReadEvent]) -> Callable[[bytes, int], tuple[str, ReadEvent]]:
    def bounded(line: bytes, accepted_at_ns: int) -> tuple[str, ReadEvent]:
        if len(line) > MAX_EVENT_BYTES:
            raise BadLine(f"longer than {MAX_EVENT_BYTES} bytes")
        return name, read(line, accepted_at_ns)

    return bounded


_HEADED = {"cef": _of_text("cef", read_cef), "leef": _of_text("leef", read_leef)}


def _own(line: bytes, _: int) -> tuple[str, ReadEvent]:
    return OWN, read_own(_decoded(line))


_READERS: Mapping[str, Callable[[bytes, int], tuple[str, ReadEvent]]] = {
    AUTO: _auto,
    OWN: _own,
    "cef": _HEADED["cef"],
    **{name: _of_json(name) for name in JSON_READERS},
    "leef": _HEADED["leef"],
    "syslog": _syslog,
    "windows": _windows,
    "zeek": _zeek,
}

READERS = tuple(name for name in _READERS if name != OWN)


def _reader(name: str) -> Callable[[bytes, int], tuple[str, ReadEvent]]:
    if name.startswith(TSV_PREFIX):
        return tsv_reading(name)
    if name not in _READERS:
        check_reader(name)
    return _READERS[name]
