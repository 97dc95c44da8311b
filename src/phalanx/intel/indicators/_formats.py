"""Indicators out of files: one value a line, or CSV with a column for it. Pure."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from phalanx.core import InvalidInput, ns_from_iso
from phalanx.intel.indicators._limits import MAX_LINE_CHARS
from phalanx.intel.indicators._model import Indicator, Kind, Refused
from phalanx.intel.indicators._values import guess_kind, refanged
from phalanx.messaging import Marking

TEXT, CSV = "text", "csv"
FORMATS = (TEXT, CSV)
_VALUE_COLUMNS = ("value", "indicator", "ioc", "ioc_value", "url", "domain", "ip", "ip_address", "dst_ip", "hash",
                  "sha256_hash", "sha256", "sha1", "md5", "email")  # fmt: skip
_KINDS = {
    "ip": Kind.NETWORK, "ip-src": Kind.NETWORK, "ip-dst": Kind.NETWORK, "ipv4": Kind.NETWORK, "ipv6": Kind.NETWORK,
    "ipv4-addr": Kind.NETWORK, "ipv6-addr": Kind.NETWORK, "cidr": Kind.NETWORK, "address": Kind.NETWORK,
    "domain": Kind.DOMAIN, "domain-name": Kind.DOMAIN, "hostname": Kind.HOST, "fqdn": Kind.HOST, "host": Kind.HOST,
    "uri": Kind.URL, "url": Kind.URL, "email": Kind.EMAIL, "email-addr": Kind.EMAIL, "email-src": Kind.EMAIL,
    "network": Kind.NETWORK, "md5": Kind.MD5, "sha1": Kind.SHA1, "sha256": Kind.SHA256, "sha-1": Kind.SHA1,
    "sha-256": Kind.SHA256, "sha256_hash": Kind.SHA256, "md5_hash": Kind.MD5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileRead:
    """What a piece of a file holds."""

    indicators: tuple[Indicator, ...]
    refused: tuple[Refused, ...]


def guess_format(first_line: str) -> str:
    """CSV where the first line names a column for the value, else one value a line."""
    names = [name.strip().strip('"').lower() for name in first_line.lstrip("#").split(",")]
    return CSV if len(names) > 1 and set(names) & set(_VALUE_COLUMNS) else TEXT


def read_text(lines: Sequence[str], meant: Indicator, kind: Kind | None = None) -> FileRead:
    """One value a line; empty lines and those that begin with ``#`` say nothing. ``meant`` is what is said of all."""
    made, refused = [], []
    for line in lines:
        text = line.partition(" #")[0].strip()
        if not text or text.startswith(("#", ";", "//")):
            continue
        try:
            made.append(_made(meant, text, kind))
        except InvalidInput as error:
            refused.append(Refused(text[:200], error.message))
    return FileRead(tuple(made), tuple(refused))


def read_csv(text: str, meant: Indicator, kind: Kind | None = None) -> FileRead:
    """Rows under a header. Known columns besides the value: type, name, confidence (to 100), valid_until, tlp, tags."""
    lines = text.splitlines()
    while lines and (not lines[0].strip() or (lines[0].startswith("#") and guess_format(lines[0]) != CSV)):
        del lines[0]
    if not lines:
        return FileRead((), ())
    lines[0] = lines[0].lstrip("# ")
    rows = csv.DictReader(io.StringIO("\n".join(lines)), skipinitialspace=True)
    names = {name: name.strip().lower() for name in rows.fieldnames or ()}
    column = next((name for wanted in _VALUE_COLUMNS for name, known in names.items() if known == wanted), None)
    if column is None:
        raise InvalidInput("file", f"no column for the value: one of {', '.join(_VALUE_COLUMNS)}")
    made, refused = [], []
    try:
        for row in rows:
            known = {names[name]: (value or "").strip() for name, value in row.items() if name in names}
            value = (row[column] or "").strip()
            if not value or value.startswith("#"):
                continue
            try:
                made.append(_of_row(meant, value, known, kind))
            except (InvalidInput, ValueError) as error:
                refused.append(Refused(value[:200], str(error)))
    except csv.Error as error:
        raise InvalidInput("file", f"no CSV: {error}") from error
    return FileRead(tuple(made), tuple(refused))


def pieces_of(lines: Iterator[str], n: int) -> Iterator[list[str]]:
    """Lines in groups. Raises ``InvalidInput`` for a line that is too long."""
    group: list[str] = []
    for line in lines:
        if len(line) > MAX_LINE_CHARS:
            raise InvalidInput("file", f"a line is longer than {MAX_LINE_CHARS} characters")
        group.append(line)
        if len(group) >= n:
            yield group
            group = []
    if group:
        yield group


def _made(meant: Indicator, text: str, kind: Kind | None) -> Indicator:
    value = refanged(text)
    return replace(meant, kind=guess_kind(value) if kind is None else kind, value=value)


def _of_row(meant: Indicator, value: str, row: dict[str, str], kind: Kind | None) -> Indicator:
    named = row.get("type") or row.get("ioc_type") or row.get("kind") or ""
    # A feed may call its kinds as it likes; what it does not name in a known way is told by the value.
    chosen = kind if kind is not None else _KINDS.get(named.lower())
    one = _made(meant, value, chosen)
    confidence = row.get("confidence") or row.get("confidence_level")
    until = row.get("valid_until") or row.get("expires")
    tags = row.get("tags") or row.get("labels") or ""
    return replace(
        one,
        name=row.get("name") or row.get("threat") or row.get("malware") or one.name,
        reference=row.get("id") or row.get("reference") or one.reference,
        confidence=float(confidence) / 100 if confidence else one.confidence,
        until_ns=ns_from_iso(until) if until else one.until_ns,
        marking=_marking_of(row.get("tlp", ""), one.marking),
        labels=tuple(tag.strip() for tag in tags.split(",") if tag.strip())[:16] or one.labels,
    )


def _marking_of(text: str, meant: Marking) -> Marking:
    """As a row says it, else ``meant``. Others are refused: more might see it than may."""
    if not text:
        return meant
    name = re.sub(r"[\s+_-]+", "_", text.upper().removeprefix("TLP").lstrip(" :-_")).replace("WHITE", "CLEAR")
    if name not in Marking.__members__:
        raise InvalidInput("tlp", f"{text[:40]!r} is no marking of the Traffic Light Protocol")
    return Marking[name]
