"""Indicators in events: what the sentinel asks of every batch, and hunters of stored ones."""

from collections.abc import Sequence
from typing import Final

from phalanx.core import MAX_EVIDENCE, MAX_NAME_CHARS, Entity, EventBatch, Severity, iso_from_ns
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel.indicators._indicators import Indicators
from phalanx.intel.indicators._limits import MAX_BATCH_HITS
from phalanx.intel.indicators._model import EVERYBODY, Kind, Match
from phalanx.intel.indicators._observables import observables
from phalanx.messaging import Marking

_NAMES: Final = {
    Kind.ADDRESS: "Address", Kind.NETWORK: "Address of a network", Kind.DOMAIN: "Domain", Kind.HOST: "Host name",
    Kind.URL: "URL", Kind.EMAIL: "E-mail address", Kind.MD5: "File hash", Kind.SHA1: "File hash",
    Kind.SHA256: "File hash",
}  # fmt: skip
# From this confidence of a source on, a match is of high severity, and below the other it is worth no mission.
_SURE, _VAGUE = 0.75, 0.3


class IndicatorDetector:
    """Finds events with values that are looked for."""

    def __init__(self, indicators: Indicators) -> None:
        self._indicators = indicators

    @property
    def name(self) -> str:
        return "indicators"

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        return hits_of(self._indicators, batch)


def hits_of(indicators: Indicators, batch: EventBatch) -> list[Hit]:
    """One hit for each event and each indicator in it, at most ``MAX_BATCH_HITS``."""
    if not indicators.looks_for_any(batch.tenant):
        return []
    seen = observables(batch)
    asked = list(seen)
    by_value: dict[str, list[tuple[int, str]]] = {}
    for (_, value), places in seen.items():
        by_value.setdefault(value, []).extend(places)
    found: dict[tuple[int, Kind, str], tuple[str, str, list[Match]]] = {}
    for match in indicators.match(batch.tenant, asked):
        for place, field in by_value[match.value]:
            _, _, matches = found.setdefault((place, match.kind, match.matched), (match.value, field, []))
            if match not in matches:
                matches.append(match)
    return [
        _hit(batch, place, kind, matched, value, field, matches)
        for (place, kind, matched), (value, field, matches) in sorted(
            found.items(), key=lambda one: (one[0][0], one[0][1].value, one[0][2])
        )[:MAX_BATCH_HITS]
    ]


def rule_of(kind: Kind, value: str) -> str:
    """What findings of an indicator have as their rule."""
    return f"indicator {kind.value} {value}"[:MAX_NAME_CHARS]


def _hit(
    batch: EventBatch, place: int, kind: Kind, matched: str, value: str, field: str, matches: Sequence[Match]
) -> Hit:
    matches = sorted(matches, key=lambda match: (-match.note.confidence, match.note.source))
    confidence = matches[0].note.confidence
    severity = Severity.HIGH if confidence >= _SURE else Severity.LOW if confidence < _VAGUE else Severity.MEDIUM
    pattern = Pattern(
        name=rule_of(kind, matched),
        title=f"{_NAMES[kind]} on a list of indicators: {matched}",
        severity=severity,
        description="A value of an event is one that somebody said to look for.",
        confidence=confidence,
        fields=(field,),
    )
    told = f"{field} is {value}" + (f", which {matched} covers" if value != matched else "")
    told += "; looked for because of " + "; ".join(_told(match) for match in matches[:MAX_EVIDENCE])
    return Hit(
        pattern, batch, (place,), entities=(Entity(_ENTITY[kind], value),), told=told, confidence=confidence,
        marking=Marking(max(match.note.marking for match in matches)),
    )  # fmt: skip


def _told(match: Match) -> str:
    note = match.note
    name = f" ({note.name})" if note.name else ""
    until = f", until {iso_from_ns(note.until_ns)}" if note.until_ns else ""
    labels = f", {', '.join(note.labels)}" if note.labels else ""
    whose = ", looked for in everybody's events" if match.scope == EVERYBODY else ""
    return f"{note.source}{name}, confidence {note.confidence:.2f}, {Marking(note.marking).label}{until}{labels}{whose}"


_ENTITY: Final = {
    Kind.ADDRESS: "ip", Kind.NETWORK: "ip", Kind.DOMAIN: "domain", Kind.HOST: "domain", Kind.URL: "url",
    Kind.EMAIL: "email", Kind.MD5: "hash", Kind.SHA1: "hash", Kind.SHA256: "hash",
}  # fmt: skip
