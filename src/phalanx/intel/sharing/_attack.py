"""MITRE ATT&CK: names of techniques and tactics, what shows them, and which of them rules look for.

A small index of the enterprise matrix comes with the package (`attack-enterprise.json`, made by
`scripts/generate_attack_index.py`, with MITRE's copyright line and licence in it), so that names are there without a
network. ``build_index`` makes the same of a newer bundle.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from phalanx.core import InvalidInput, NotFound
from phalanx.intel.sharing._limits import MAX_DOCUMENT_BYTES
from phalanx.intel.sharing._objects import parse_json

_ID: Final = re.compile(r"T\d{4}(?:\.\d{3})?")
_SUMMARY_CHARS: Final = 240


class Tactic(msgspec.Struct, frozen=True):
    """An attacker's aim. ``name`` is as rules write it: ``credential-access``."""

    id: str
    name: str
    title: str


class Technique(msgspec.Struct, frozen=True):
    """An attacker's way. ``shown_by`` are the kinds of data that show it, after ATT&CK's detection strategies."""

    id: str
    stix_id: str
    name: str
    tactics: tuple[str, ...]
    platforms: tuple[str, ...]
    shown_by: tuple[str, ...]
    summary: str

    @property
    def url(self) -> str:
        return f"https://attack.mitre.org/techniques/{self.id.replace('.', '/')}/"


class AttackIndex(msgspec.Struct, frozen=True):
    """The index as it is written. Techniques that were replaced lead to those that took their place."""

    source: str
    date: str
    copyright: str
    licence: str
    tactics: tuple[Tactic, ...]
    techniques: tuple[Technique, ...]
    replaced: dict[str, str]


@dataclass(frozen=True, slots=True)
class Covered:
    """One technique and the rules that look for it or for one of its sub-techniques."""

    technique: Technique
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which techniques rules look for. ``unknown`` are ids that rules name and ATT&CK does not have."""

    techniques: tuple[Covered, ...]
    unknown: tuple[str, ...]

    @property
    def n_covered(self) -> int:
        return sum(bool(one.rules) for one in self.techniques)

    def of_tactic(self, tactic: str) -> list[Covered]:
        return [one for one in self.techniques if tactic in one.technique.tactics]


class Attack:
    """Looks techniques up."""

    def __init__(self, index: AttackIndex) -> None:
        self.index = index
        self._by_id = {one.id: one for one in index.techniques}

    def technique(self, technique_id: str) -> Technique:
        """By id, of any case; one that was replaced leads to its successor. Raises ``NotFound``."""
        wanted = technique_id.strip().upper()
        wanted = self.index.replaced.get(wanted, wanted)
        found = self._by_id.get(wanted)
        if found is None:
            hint = "ids are like T1059 or T1059.001" if not _ID.fullmatch(wanted) else ""
            raise NotFound("technique", technique_id, hint=hint)
        return found

    def name(self, technique_id: str) -> str:
        """The name of a technique, with its parent's; the id itself where ATT&CK has none."""
        try:
            one = self.technique(technique_id)
        except NotFound:
            return technique_id
        parent = self._by_id.get(one.id.partition(".")[0])
        return f"{parent.name}: {one.name}" if parent is not None and parent.id != one.id else one.name

    def below(self, technique_id: str) -> list[Technique]:
        """The sub-techniques of a technique."""
        return [one for one in self.index.techniques if one.id.startswith(f"{technique_id}.")]

    def coverage(self, rules: Iterable[tuple[str, Sequence[str]]]) -> Coverage:
        """Which techniques the rules, each with its name and technique ids, look for."""
        found: dict[str, set[str]] = {}
        unknown: set[str] = set()
        for name, ids in rules:
            for technique_id in ids:
                try:
                    one = self.technique(technique_id)
                except NotFound:
                    unknown.add(technique_id.upper())
                    continue
                # A rule for a sub-technique is one for its technique, too.
                for covered in {one.id, one.id.partition(".")[0]}:
                    found.setdefault(covered, set()).add(name)
        techniques = [Covered(one, tuple(sorted(found.get(one.id, ())))) for one in self.index.techniques]
        return Coverage(tuple(techniques), tuple(sorted(unknown)))


@cache
def attack() -> Attack:
    """The index that comes with the package."""
    data = resources.files("phalanx.intel.sharing").joinpath("attack-enterprise.json").read_bytes()
    return Attack(msgspec.json.decode(data, type=AttackIndex))


def build_index(bundle: bytes, *, source: str, date: str, licence: str) -> AttackIndex:
    """The index of an enterprise bundle of ATT&CK. Raises ``InvalidInput`` for what is none."""
    document = parse_json(bundle, max_bytes=MAX_DOCUMENT_BYTES)
    objects = document.get("objects") if isinstance(document, dict) else None
    if not isinstance(objects, list):
        raise InvalidInput("bundle", "is no STIX bundle")
    by_id: dict[str, dict[str, Any]] = {one["id"]: one for one in objects if isinstance(one, dict) and "id" in one}
    tactics = _tactics(by_id)
    if not tactics:
        raise InvalidInput("bundle", "holds no tactics of ATT&CK")
    shown = _shown_by(by_id)
    techniques = [_technique(one, shown.get(one["id"], ())) for one in by_id.values() if _in_force(one)]
    rights = [str(one.get("definition", {}).get("statement", "")) for one in by_id.values()
              if one.get("type") == "marking-definition"]  # fmt: skip
    return AttackIndex(
        source=source, date=date, copyright=" ".join(filter(None, rights)), licence=licence, tactics=tactics,
        techniques=tuple(sorted(techniques, key=lambda one: one.id)), replaced=_replaced(by_id),
    )  # fmt: skip


def _in_force(one: Mapping[str, Any]) -> bool:
    is_technique = one.get("type") == "attack-pattern" and _attack_id(one) != ""
    return is_technique and not one.get("revoked") and not one.get("x_mitre_deprecated")


def _attack_id(one: Mapping[str, Any]) -> str:
    for reference in one.get("external_references", ()):
        if reference.get("source_name") == "mitre-attack":
            return str(reference.get("external_id", ""))
    return ""


def _tactics(by_id: Mapping[str, Mapping[str, Any]]) -> tuple[Tactic, ...]:
    """In the order of the matrix."""
    matrices = [one for one in by_id.values() if one.get("type") == "x-mitre-matrix"]
    order = [by_id[ref] for one in matrices[:1] for ref in one.get("tactic_refs", ()) if ref in by_id]
    return tuple(Tactic(_attack_id(one), str(one["x_mitre_shortname"]), str(one["name"])) for one in order)


def _technique(one: Mapping[str, Any], shown: Iterable[str]) -> Technique:
    phases = [phase["phase_name"] for phase in one.get("kill_chain_phases", ())]
    plain = re.sub(r"\(Citation: [^)]*\)", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", str(one.get("description", ""))))
    first = re.split(r"(?<=[.!?])\s", plain.strip(), maxsplit=1)[0]
    return Technique(
        id=_attack_id(one), stix_id=str(one["id"]), name=str(one["name"]), tactics=tuple(phases),
        platforms=tuple(one.get("x_mitre_platforms", ())), shown_by=tuple(sorted(set(shown))),
        summary=first if len(first) <= _SUMMARY_CHARS else f"{first[: _SUMMARY_CHARS - 1]}…",
    )  # fmt: skip


def _shown_by(by_id: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Data components by the technique that they show: strategy → analytics → components."""
    found: dict[str, list[str]] = {}
    for one in by_id.values():
        if one.get("type") != "relationship" or one.get("relationship_type") != "detects":
            continue
        strategy = by_id.get(str(one.get("source_ref")), {})
        for analytic_ref in strategy.get("x_mitre_analytic_refs", ()):
            for log in by_id.get(analytic_ref, {}).get("x_mitre_log_source_references", ()):
                component = by_id.get(str(log.get("x_mitre_data_component_ref")), {})
                if "name" in component:
                    found.setdefault(str(one["target_ref"]), []).append(str(component["name"]))
    return found


def _replaced(by_id: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    replaced = {}
    for one in by_id.values():
        if one.get("relationship_type") == "revoked-by":
            old, new = (by_id.get(str(one.get(end)), {}) for end in ("source_ref", "target_ref"))
            if old.get("type") == new.get("type") == "attack-pattern" and _attack_id(old) != _attack_id(new):
                replaced[_attack_id(old)] = _attack_id(new)
    return dict(sorted(replaced.items()))
