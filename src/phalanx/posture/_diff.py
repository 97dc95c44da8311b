"""What is in one CBOM and not in another: for a build that must not add what has to be replaced. Pure.

Assets are compared by what they are (name, kind, algorithm and what it is for), not by where they lie: a key that was
moved is no new one, and one that is used in a second place is said to be.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phalanx.core import InvalidInput

_Component = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One asset of a CBOM, as a difference tells of it."""

    name: str
    kind: str
    vulnerable: bool
    weak: bool
    replacement: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """``added`` and ``gone``; each with its places that the other does not have."""

    added: tuple[Entry, ...]
    gone: tuple[Entry, ...]

    @property
    def worse(self) -> tuple[Entry, ...]:
        """What was added that falls to a quantum computer, or has fallen already."""
        return tuple(one for one in self.added if one.vulnerable or one.weak)


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """Raises ``InvalidInput`` naming the document that is no CBOM."""
    old, new = _assets(before, "before"), _assets(after, "after")
    return Difference(_beyond(new, old), _beyond(old, new))


def _beyond(ours: Mapping[str, tuple[_Component, Counter[str]]], theirs: Mapping[str, tuple[_Component, Counter[str]]]
            ) -> tuple[Entry, ...]:  # fmt: skip
    entries = []
    for ref, (component, places) in ours.items():
        known = theirs[ref][1] if ref in theirs else Counter[str]()
        files = {place.rpartition(":")[0] or place for place in known}
        # By file and number of uses: lines move whenever somebody edits above them.
        more = [place for place in places if (place.rpartition(":")[0] or place) not in files]
        if ref not in theirs or more or places.total() > known.total():
            entries.append(_entry(component, tuple(more or places)))
    return tuple(entries)


def _assets(document: Mapping[str, Any], field: str) -> dict[str, tuple[_Component, Counter[str]]]:
    components = document.get("components")
    if document.get("bomFormat") != "CycloneDX" or not isinstance(components, list):
        raise InvalidInput(field, "it is no CycloneDX document")
    found: dict[str, tuple[_Component, Counter[str]]] = {}
    for one in components:
        if not isinstance(one, dict) or one.get("type") != "cryptographic-asset" or "evidence" not in one:
            continue
        places = Counter(_place(place) for place in one["evidence"].get("occurrences", ()))
        found[str(one.get("bom-ref", one.get("name")))] = (one, places)
    return found


def _place(place: Mapping[str, Any]) -> str:
    line = place.get("line")
    return f"{place.get('location', '')}:{line}" if line else f"{place.get('location', '')}:"


def _entry(component: _Component, places: tuple[str, ...]) -> Entry:
    said = {one.get("name", ""): one.get("value", "") for one in component.get("properties", ())}
    return Entry(
        name=str(component.get("name", "")), kind=str(component.get("cryptoProperties", {}).get("assetType", "")),
        vulnerable=said.get("phalanx:quantum-vulnerable") == "true", weak=bool(said.get("phalanx:weak-already")),
        replacement=said.get("phalanx:replacement", ""), places=tuple(place.rstrip(":") for place in places),
    )  # fmt: skip
