"""What became of the lines of a file, counted: by format, source and reason, and what OCSF has no place for."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from phalanx.core import Event
from phalanx.intel._limits import MAX_EXCERPT_CHARS, MAX_TALLIED_NAMES
from phalanx.intel.reading._ocsf import mapping_of
from phalanx.intel.reading._readers import ReadOut

_NUMBER = re.compile(r"\d+")
_EXAMPLES = 3


@dataclass(slots=True)
class Mapped:
    """How the events of one OCSF class were mapped: fields without a place there, and those that lose something."""

    events: int = 0
    unmapped: Counter[str] = field(default_factory=Counter)
    lossy: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """Counts; ``add`` what was read. With ``maps`` every event is looked at as OCSF too, which costs more."""

    maps: bool = False
    lines: int = 0
    bytes_read: int = 0
    events: int = 0
    rejected: int = 0
    skipped: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    classes: dict[str, Mapped] = field(default_factory=dict)

    def add(self, lines: list[bytes], out: ReadOut) -> None:
        self.lines += len(lines)
        self.bytes_read += sum(map(len, lines)) + len(lines)
        self.events += out.events
        self.rejected += len(out.rejected)
        self.skipped += out.skipped
        for batch in out.batches:
            self.formats[batch.reader] += len(batch)
            self.sources[str(batch.log_source)] += len(batch)
            if self.maps:
                for event in batch:
                    self._map(event)
        for line in out.rejected:
            reason = _counted(self.reasons, _NUMBER.sub("N", line.reason[:MAX_EXCERPT_CHARS]))
            known = self.examples.setdefault(reason, [])
            if len(known) < _EXAMPLES:
                known.append(line.raw[:MAX_EXCERPT_CHARS].decode("utf-8", "backslashreplace"))

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        told: dict[str, Any] = {
            "lines": self.lines, "bytes": self.bytes_read, "events": self.events, "rejected": self.rejected,
            "skipped": self.skipped, "formats": dict(self.formats.most_common()),
            "sources": dict(self.sources.most_common()),
            "reasons": [
                {"reason": reason, "lines": n, "examples": self.examples.get(reason, [])}
                for reason, n in self.reasons.most_common()
            ],
        }  # fmt: skip
        if self.maps:
            told["classes"] = {
                name: {
                    "events": one.events, "unmapped": dict(one.unmapped.most_common()),
                    "lossy": dict(one.lossy.most_common()),
                }
                for name, one in self.classes.items()
            }  # fmt: skip
        return told

    def _map(self, event: Event) -> None:
        mapping = mapping_of(event)
        one = self.classes.setdefault(mapping.class_name, Mapped())
        one.events += 1
        for name in mapping.unmapped:
            _counted(one.unmapped, name)
        for name, how in mapping.lossy.items():
            _counted(one.lossy, f"{name}: {how}")


def _counted(counter: Counter[str], name: str) -> str:
    """Count a name, or ``(others)`` when there are too many: whoever sends chooses them."""
    if name not in counter and len(counter) >= MAX_TALLIED_NAMES:
        name = "(others)"
    counter[name] += 1
    return name
