"""Our findings as STIX: what was seen, what it was a sighting of, and what others should look for.

Ids follow from what is told, so the same finding told twice is one object with one id. What lies inside of the
organisation (hosts, users, private addresses) is told only under AMBER or closer: others cannot use it, and it shows
how the organisation is built.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from phalanx.core import Entity, Finding, Severity, iso_from_ns
from phalanx.intel.sharing._attack import Attack, attack
from phalanx.intel.sharing._errors import NotShareable
from phalanx.intel.sharing._ids import observable_id, own_id
from phalanx.intel.sharing._objects import StixObject
from phalanx.intel.sharing._tlp import TLP_2, definition_of, marking_named
from phalanx.messaging import Marking

_HASH_NAMES: Final = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}
# When what never changes was made: one organisation, one technique is one version of one object.
_EPOCH: Final = "2026-01-01T00:00:00.000000Z"
_INSIDE: Final = frozenset({"host", "user", "process"})


@dataclass(frozen=True, slots=True)
class Teller:
    """Whose findings they are and how they are marked.

    Ids follow from findings and cases, whose names others could guess: without ``secret``, which only the teller has,
    an id would tell whether the guess was right.
    """

    organisation: str
    marking: Marking
    secret: bytes = b""

    @property
    def identity(self) -> str:
        return own_id("identity", self.organisation)


def findings_as_stix(findings: Sequence[Finding], teller: Teller, *, book: Attack | None = None) -> list[StixObject]:
    """Objects that tell of the findings: identity and marking first, each object once."""
    known = book or attack()
    made = [definition_of(teller.marking), _identity(teller)]
    for finding in sorted(findings, key=lambda one: one.id):
        made += _of_finding(finding, teller, known)
    for case in dict.fromkeys(finding.case for finding in findings):
        made += _of_case(case, [one for one in findings if one.case == case], made, teller)
    newest: dict[str, StixObject] = {}
    for one in made:
        if one.id not in newest or newest[one.id].version < one.version:
            newest[one.id] = one
    return list(newest.values())


def parted(findings: Iterable[Finding], marking: Marking) -> tuple[list[Finding], list[NotShareable]]:
    """Findings that may be told under ``marking``, and why not the others: they rest on what is closer."""
    open_ones: list[Finding] = []
    closed: list[NotShareable] = []
    for one in findings:
        rests_on = marking_named(one.marking) or Marking.CLEAR
        if rests_on > marking:
            why = "it rests on intelligence of that marking"
            closed.append(NotShareable(f"finding {one.id}", rests_on.label, marking.label, why))
        else:
            open_ones.append(one)
    return open_ones, closed


def _identity(teller: Teller) -> StixObject:
    return StixObject({
        "type": "identity", "spec_version": "2.1", "id": teller.identity, "created": _EPOCH, "modified": _EPOCH,
        "name": teller.organisation, "identity_class": "organization",
        "object_marking_refs": [TLP_2[teller.marking]],
    })  # fmt: skip


def _domain_object(kind: str, teller: Teller, created_ns: int, modified_ns: int, cause: str, **more: Any) -> StixObject:
    return StixObject({
        "type": kind, "spec_version": "2.1", "id": own_id(kind, teller.organisation, teller.secret.hex(), cause),
        "created_by_ref": teller.identity, "created": iso_from_ns(created_ns),
        "modified": iso_from_ns(max(created_ns, modified_ns)), **more, "object_marking_refs": [TLP_2[teller.marking]],
    })  # fmt: skip


def _of_finding(finding: Finding, teller: Teller, book: Attack) -> list[StixObject]:
    techniques = [_technique(one, teller, book) for one in finding.techniques]
    observables = [found for one in finding.entities if (found := _observable(one, teller)) is not None]
    made: list[StixObject] = [*techniques, *observables]
    created, modified = finding.found_at_ns, max(finding.found_at_ns, finding.at_ns, finding.last_seen_ns)
    first, last = sorted((finding.first_seen_ns, max(finding.first_seen_ns, finding.last_seen_ns)))
    seen = []
    if observables:
        seen = [_domain_object(
            "observed-data", teller, created, modified, finding.id, first_observed=iso_from_ns(first),
            last_observed=iso_from_ns(last), number_observed=max(1, min(finding.hits, 999_999_999)),
            object_refs=[one.id for one in observables],
        )]  # fmt: skip
    made += seen
    for technique in techniques:
        made.append(_domain_object(
            "sighting", teller, created, modified, f"{finding.id} {technique.id}", sighting_of_ref=technique.id,
            where_sighted_refs=[teller.identity], first_seen=iso_from_ns(first), last_seen=iso_from_ns(last),
            count=max(1, min(finding.hits, 999_999_999)), confidence=_percent(finding.confidence),
            **({"observed_data_refs": [seen[0].id]} if seen else {}),
        ))  # fmt: skip
    made += _indicators(finding, teller, created, modified, techniques, seen)
    about = [*seen, *techniques] or [StixObject({"id": teller.identity})]
    if finding.explanation and teller.marking >= Marking.AMBER:
        made.append(_domain_object(
            "note", teller, created, modified, finding.id, abstract=finding.title, content=finding.explanation,
            object_refs=[one.id for one in about],
        ))  # fmt: skip
    return made


def _technique(technique_id: str, teller: Teller, book: Attack) -> StixObject:
    wanted = technique_id.upper()
    url = f"https://attack.mitre.org/techniques/{wanted.replace('.', '/')}/"
    reference = {"source_name": "mitre-attack", "external_id": wanted, "url": url}
    return StixObject({
        "type": "attack-pattern", "spec_version": "2.1", "id": own_id("attack-pattern", teller.organisation, wanted),
        "created_by_ref": teller.identity, "created": _EPOCH, "modified": _EPOCH, "name": book.name(wanted),
        "external_references": [reference], "object_marking_refs": [TLP_2[teller.marking]],
    })  # fmt: skip


def _observable(entity: Entity, teller: Teller) -> StixObject | None:
    inside = entity.type in _INSIDE or (entity.type == "ip" and not is_outside(entity.value))
    if not entity.value or (inside and teller.marking < Marking.AMBER):
        return None
    plain = _plain(entity)
    if plain is None:
        return None
    made = {"type": plain["type"], "spec_version": "2.1", "id": observable_id(plain["type"], plain), **plain}
    return StixObject(made | {"object_marking_refs": [TLP_2[teller.marking]]})


def _plain(entity: Entity) -> dict[str, Any] | None:
    value = entity.value
    match entity.type:
        case "ip":
            version = ip_version(value)
            return {"type": f"ipv{version}-addr", "value": value} if version else None
        case "domain":
            return {"type": "domain-name", "value": value}
        case "url":
            return {"type": "url", "value": value}
        case "user":
            return {"type": "user-account", "account_login": value}
        case "file":
            return {"type": "file", "name": value.replace("\\", "/").rpartition("/")[2] or value}
        case "process":
            return {"type": "process", "command_line": value}
        case "hash":
            name = _HASH_NAMES.get(len(value))
            return {"type": "file", "hashes": {name: value.lower()}} if name else None
        case _:
            return None  # a host is no observable of STIX; the note and the incident name it


def _indicators(
    finding: Finding, teller: Teller, created: int, modified: int, techniques: Iterable[StixObject],
    seen: Sequence[StixObject],
) -> list[StixObject]:  # fmt: skip
    """What others can look for: addresses and names outside of the organisation, and hashes."""
    made: list[StixObject] = []
    if finding.severity < Severity.MEDIUM:
        return made
    for entity in finding.entities:
        pattern = _pattern_of(entity)
        if not pattern:
            continue
        one = _domain_object(
            "indicator", teller, created, modified, f"{entity.type} {entity.value}",
            name=f"{entity.value}: {finding.title}", indicator_types=["malicious-activity"],
            pattern=pattern, pattern_type="stix", pattern_version="2.1",
            valid_from=iso_from_ns(finding.first_seen_ns), confidence=_percent(finding.confidence),
        )  # fmt: skip
        made.append(one)
        ends = [("indicates", technique.id) for technique in techniques] + [("based-on", each.id) for each in seen]
        made += [_domain_object(
            "relationship", teller, created, created, f"{one.id} {word} {target}", relationship_type=word,
            source_ref=one.id, target_ref=target,
        ) for word, target in ends]  # fmt: skip
    return made


def _pattern_of(entity: Entity) -> str:
    quoted = entity.value.replace("\\", "\\\\").replace("'", "\\'")
    if entity.type == "ip" and is_outside(entity.value):
        return f"[ipv{ip_version(entity.value)}-addr:value = '{quoted}']"
    if entity.type == "domain" and "." in entity.value:
        return f"[domain-name:value = '{quoted}']"
    if entity.type == "url":
        return f"[url:value = '{quoted}']"
    if entity.type == "hash" and len(entity.value) in _HASH_NAMES:
        return f"[file:hashes.'{_HASH_NAMES[len(entity.value)]}' = '{quoted.lower()}']"
    return ""


def _of_case(case: str, findings: Sequence[Finding], made: Sequence[StixObject], teller: Teller) -> list[StixObject]:
    """The case as an incident, and a grouping of everything that is told of it. The name of a case is a host's."""
    first, last = min(one.found_at_ns for one in findings), max(one.at_ns for one in findings)
    name = case if teller.marking >= Marking.AMBER else "Incident"
    worst = max(one.severity for one in findings)
    titles = ", ".join(dict.fromkeys(one.title for one in findings))
    incident = _domain_object(
        "incident", teller, first, last, case, name=name,
        description=f"{len(findings)} findings, the worst {worst.name.lower()}: {titles}"[:4_000],
    )  # fmt: skip
    about = [one.id for one in made if one.type not in ("marking-definition", "identity")]
    grouping = _domain_object(
        "grouping", teller, first, last, case, name=f"What was found: {name}", context="suspicious-activity",
        object_refs=list(dict.fromkeys([incident.id, *about])),
    )  # fmt: skip
    return [incident, grouping]


def is_outside(address: str) -> bool:
    """Whether an address is one of the Internet's."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def ip_version(text: str) -> int:
    """4 or 6; 0 for what is no address."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def _percent(part: float) -> int:
    return max(0, min(100, round(part * 100)))
