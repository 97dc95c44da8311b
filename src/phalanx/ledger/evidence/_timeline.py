"""What happened, for people: Markdown that follows from the entries byte for byte.

What others wrote (actors, subjects, bodies) stands in indented blocks only, with every character
escaped that a page or a terminal might act on, so that no entry can pass for the text around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.core import NS_PER_S, AuditEntry, iso_from_ns

# Fixed, not from the interpreter's tables, which change: two verifiers must write the same text.
_ESCAPED = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F), (0x2028, 0x202E),
    (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """One entry to be told. ``body`` is JSON as it was recorded, None when it is not disclosed."""

    index: int
    entry: AuditEntry
    leaf_hash: str
    body: str | None


@dataclass(frozen=True, slots=True)
class Heading:
    """What the entries are under."""

    case: str
    tenant: str
    origin: str
    fingerprint: str
    size: int
    signed_at_s: int
    witnesses: Sequence[tuple[str, int]]
    stamped_sizes: Sequence[int]
    anchored: Sequence[tuple[int, str]]


def timeline(heading: Heading, entries: Sequence[Told]) -> str:
    """The whole page."""
    lines = [
        "# Timeline",
        "",
        f"    case         {plain(heading.case)}",
        f"    tenant       {plain(heading.tenant)}",
        f"    ledger       {plain(heading.origin)}",
        f"    signed by    {heading.fingerprint}",
        f"    checkpoint   {heading.size} entries, signed {_time(heading.signed_at_s)}",
    ]
    lines += [f"    cosigned by  {plain(name)}, {_time(at_s)}" for name, at_s in heading.witnesses]
    lines += [f"    timestamped  at {size} entries" for size in heading.stamped_sizes]
    lines += [f"    anchored     at {size} entries, {day}" for size, day in heading.anchored]
    for told in entries:
        lines += ["", f"## {iso_from_ns(told.entry.at_ns)} · entry {told.index}", "", *_told(told)]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """The text with what a page or a terminal might act on written as ``\\u{…}``."""
    return "".join(f"\\u{{{ord(c):x}}}" if _is_escaped(ord(c)) else c for c in text)


def _told(told: Told) -> list[str]:
    entry = told.entry
    lines = [
        f"    actor    {plain(entry.actor)}",
        f"    action   {plain(entry.action)}",
        f"    subject  {plain(entry.subject)}",
    ]
    lines += [f"    custody  {plain(name)}" for name in entry.custody]
    body = "not disclosed" if told.body is None else plain(told.body)
    return [*lines, f"    body     {body}", f"    leaf     {told.leaf_hash}"]


def _is_escaped(code: int) -> bool:
    return any(first <= code <= last for first, last in _ESCAPED)


def _time(at_s: int) -> str:
    return iso_from_ns(at_s * NS_PER_S)
