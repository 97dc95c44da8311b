"""MISP events in: attributes, objects, tags, galaxies, as STIX objects.

An attribute with ``to_ids`` becomes an indicator, one without an observable; techniques of ATT&CK in galaxies and tags
become attack patterns; the event becomes a report of all of them. What an attribute said goes along as ``x_misp_…``,
so that writing the event again loses nothing, and attributes that have no form in STIX are kept in the report.
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from phalanx.core import NS_PER_S, InvalidInput, LimitExceeded, iso_from_ns
from phalanx.intel.sharing._attack import attack
from phalanx.intel.sharing._errors import InvalidObject
from phalanx.intel.sharing._ids import observable_id, own_id
from phalanx.intel.sharing._limits import MAX_ATTRIBUTES, MAX_DOCUMENT_BYTES
from phalanx.intel.sharing._misp_types import LANGUAGES, observable_of, pattern_of
from phalanx.intel.sharing._objects import StixObject, checked, parse_json
from phalanx.intel.sharing._tlp import TLP_2, MarkingBook, definition_of, marking_named
from phalanx.messaging import Marking

# Whom it is for, where it says so: its own organisation, or a group that is named. Of an event, a tag counts for more.
_DISTRIBUTIONS: Final = {"0": Marking.AMBER_STRICT, "4": Marking.AMBER}
_TECHNIQUE: Final = re.compile(r"T\d{4}(?:\.\d{3})?")
_MAX_VALUE_CHARS: Final = 64 * 1024
# What attributes and objects said that STIX has no place for; it goes along and is written again.
_SAID: Final = ("category", "comment", "uuid", "timestamp", "first_seen", "last_seen")
_SAID_OF_OBJECTS: Final = (
    "name", "uuid", "meta-category", "description", "comment", "template_uuid", "template_version",
)  # fmt: skip
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class MispRead:
    """What was in a document. ``unmapped`` are types of attributes that have no form in STIX, with their number."""

    events: int
    objects: tuple[StixObject, ...]
    rejected: tuple[InvalidObject, ...]
    unmapped: Mapping[str, int]


def read_misp(data: bytes, *, unmarked: Marking = Marking.AMBER, max_bytes: int = MAX_DOCUMENT_BYTES) -> MispRead:
    """Read an event, or a list of them as MISP exports it. Raises ``InvalidInput`` and ``LimitExceeded``.

    ``unmarked`` is what an object without a marking is treated as: nothing in an event opens what else is in it.
    """
    document = parse_json(data, max_bytes=max_bytes)
    events = list(_events(document))
    if not events:
        raise InvalidInput("document", "holds no MISP event")
    readers = [_EventReader(event, f"Event[{place}]", unmarked) for place, event in enumerate(events)]
    objects = [one for reader in readers for one in reader.objects()]
    unmapped: dict[str, int] = {}
    for reader in readers:
        for kind in reader.unmapped:
            unmapped[kind] = unmapped.get(kind, 0) + 1
    rejected = tuple(error for reader in readers for error in reader.rejected)
    return MispRead(len(events), tuple(_distinct(objects, unmarked)), rejected, unmapped)


def _distinct(objects: Iterable[StixObject], unmarked: Marking) -> Iterable[StixObject]:
    """One of each version: the one with the closest marking, whatever order the events came in.

    Events share authors, techniques and observables. What one of them closed, another does not open, and what is taken
    stands under its own marking; where markings are the same, the content decides, so that it is always the same one.
    """
    book = MarkingBook()

    def rank(one: StixObject) -> tuple[Marking, bytes]:
        return book.marking_of(one, unmarked=unmarked), one.digest_bytes()

    found: dict[tuple[str, str], StixObject] = {}
    for one in objects:
        key = (one.id, one.version)
        found[key] = max(found[key], one, key=rank) if key in found else one
    return found.values()


def _events(document: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, dict):
        if isinstance(document.get("Event"), dict):
            yield document["Event"]
        elif isinstance(document.get("response"), list | dict):
            yield from _events(document["response"])
        elif "Attribute" in document or "Object" in document:
            yield document
    elif isinstance(document, list):
        for one in document:
            yield from _events(one)


class _EventReader:
    """One event on its way into STIX."""

    def __init__(self, event: Mapping[str, Any], where: str, unmarked: Marking) -> None:
        self._event = event
        self._unmarked = unmarked
        self._where = where
        self.unmapped: list[str] = []
        self.rejected: list[InvalidObject] = []
        self._tags = _tags(event)
        own = _of_tags(self._tags)
        self._marking = _of_distribution(event) if own is None else own
        self._stamp = _stamp(event.get("timestamp"), str(event.get("date", "")), f"{where}.timestamp")
        self._uuid = _uuid(event.get("uuid"), f"{where}.uuid")
        self._author = self._identity()
        self._kept: list[Mapping[str, Any]] = []
        # The closest marking of what is kept in the report: it is as close as that.
        self._kept_marking: Marking | None = None
        self._observed: set[str] = set()
        # Techniques, each with the most open marking of what names it: whoever may have that knows of it.
        self._named: dict[str, Marking | None] = {}
        self._name(_techniques(event, self._tags), self._marking)

    def objects(self) -> list[StixObject]:
        made = [self._author]
        attributes = list(self._attributes())
        if len(attributes) > MAX_ATTRIBUTES:
            raise LimitExceeded("attributes of a MISP event", maximum=MAX_ATTRIBUTES, seen=len(attributes))
        for attribute, holder, where in attributes:
            try:
                made += self._of_attribute(attribute, holder, where)
            except InvalidObject as error:
                self.rejected.append(error)
        made += [self._technique(one, marking) for one, marking in self._named.items()]
        made.append(self._report(made))
        used = dict.fromkeys(marking for one in made for marking in one.markings)
        definitions = [definition_of(marking) for marking in Marking if TLP_2[marking] in used]
        return [*definitions, *made]

    def _attributes(self) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None, str]]:
        """Attributes, each with the MISP object that it is part of."""
        holders: list[tuple[Mapping[str, Any] | None, Mapping[str, Any], str]] = [(None, self._event, self._where)]
        for place, one in enumerate(_list(self._event, "Object", self._where)):
            if not _is_deleted(one):
                holders.append((one, one, f"{self._where}.Object[{place}]"))
        for holder, source, where in holders:
            for place, one in enumerate(_list(source, "Attribute", where)):
                if not _is_deleted(one):
                    yield one, holder, f"{where}.Attribute[{place}]"

    def _of_attribute(self, one: Mapping[str, Any], holder: Mapping[str, Any] | None, where: str) -> list[StixObject]:
        kind, value = str(one.get("type", "")), one.get("value")
        if not kind or not isinstance(value, str) or not value or len(value) > _MAX_VALUE_CHARS:
            raise InvalidObject(where, "value", "an attribute needs a type and a value that is text of sensible length")
        tags = _tags(one)
        held_for = _closest(_of_distribution(one), _of_distribution(holder or {}))
        marking = self._closed(_closest(self._marking, _of_tags(tags)), held_for)
        said = {"x_misp_type": kind, "x_misp_value": value, "x_misp_to_ids": bool(one.get("to_ids"))}
        for name in _SAID:
            if isinstance(one.get(name), str) and one[name]:
                said[f"x_misp_{name}"] = one[name]
        if others := [tag for tag in tags if not tag.lower().startswith("tlp:")]:
            said["x_misp_tags"] = others
        if holder is not None:
            said["x_misp_object"] = _holder(holder)
            said["x_misp_object_relation"] = str(one.get("object_relation", ""))
        self._name(_techniques(one, tags), marking)
        if kind == "vulnerability":
            return [self._vulnerability(one, value, said, marking, where)]
        if one.get("to_ids") or kind in LANGUAGES:
            language = LANGUAGES.get(kind, "stix")
            pattern = value if kind in LANGUAGES else pattern_of(kind, value)
            if pattern:
                return [self._indicator(one, pattern, language, tags, said, marking, where)]
        plain = observable_of(kind, value)
        if plain is None:
            self.unmapped.append(kind)
            self._keep(one, holder, marking)
            return []
        head = {"type": plain["type"], "spec_version": "2.1", "id": observable_id(plain["type"], plain)}
        if head["id"] in self._observed:
            # An observable is there once, and has what the first attribute said.
            self._keep(one, holder, marking)
            return []
        self._observed.add(head["id"])
        return [checked(head | plain | said | _marked(marking), where=where)]

    def _name(self, techniques: Iterable[str], marking: Marking | None) -> None:
        for one in techniques:
            self._named[one] = min(self._named.get(one, marking), marking, key=self._stands)

    def _stands(self, marking: Marking | None) -> Marking:
        return self._unmarked if marking is None else marking

    def _keep(self, one: Mapping[str, Any], holder: Mapping[str, Any] | None, marking: Marking | None) -> None:
        kept = {key: item for key, item in one.items() if key != "Galaxy"}
        self._kept.append(kept if holder is None else kept | {"x_misp_object": _holder(holder)})
        self._kept_marking = _closest(self._kept_marking, marking)

    def _closed(self, marking: Marking | None, further: Marking | None) -> Marking | None:
        """``further`` where it is closer than ``marking``, or than what is without one is treated as."""
        return further if further is not None and further > self._stands(marking) else marking

    def _indicator(
        self, one: Mapping[str, Any], pattern: str, language: str, tags: Sequence[str], said: Mapping[str, Any],
        marking: Marking | None, where: str,
    ) -> StixObject:  # fmt: skip
        stamp = _stamp(one.get("timestamp"), "", where) if one.get("timestamp") else self._stamp
        first = one.get("first_seen")
        labels = [tag for tag in tags if not tag.lower().startswith("tlp:")]
        raw = {
            "type": "indicator", "spec_version": "2.1", "id": f"indicator--{_uuid(one.get('uuid'), f'{where}.uuid')}",
            "created_by_ref": self._author.id, "created": min(self._stamp, stamp), "modified": stamp,
            "name": str(one["value"])[:200], "pattern": pattern, "pattern_type": language,
            "valid_from": _time(first) or stamp, **({"labels": labels} if labels else {}), **said, **_marked(marking),
        }  # fmt: skip
        if one.get("comment"):
            raw["description"] = str(one["comment"])
        return checked(raw, where=where)

    def _vulnerability(
        self, one: Mapping[str, Any], value: str, said: Mapping[str, Any], marking: Marking | None, where: str
    ) -> StixObject:
        return checked({
            "type": "vulnerability", "spec_version": "2.1",
            "id": f"vulnerability--{_uuid(one.get('uuid'), f'{where}.uuid')}", "created_by_ref": self._author.id,
            "created": self._stamp, "modified": self._stamp, "name": value,
            "external_references": [{"source_name": "cve", "external_id": value}], **said, **_marked(marking),
        }, where=where)  # fmt: skip

    def _technique(self, technique_id: str, marking: Marking | None) -> StixObject:
        return checked({
            "type": "attack-pattern", "spec_version": "2.1",
            "id": own_id("attack-pattern", self._author.id, technique_id), "created_by_ref": self._author.id,
            "created": self._stamp, "modified": self._stamp, "name": attack().name(technique_id),
            "external_references": [{"source_name": "mitre-attack", "external_id": technique_id}],
            **_marked(marking),
        }, where=self._where)  # fmt: skip

    def _identity(self) -> StixObject:
        author = self._event.get("Orgc")
        said = author if isinstance(author, dict) else {}
        name = str(said.get("name") or "unknown organisation")
        try:
            stix_id = f"identity--{uuid.UUID(str(said.get('uuid', '')))}"
        except ValueError:
            stix_id = own_id("identity", "misp", name)
        stamp = "2026-01-01T00:00:00.000Z"
        return checked({
            "type": "identity", "spec_version": "2.1", "id": stix_id, "created": stamp, "modified": stamp, "name": name,
            "identity_class": "organization", **_marked(self._marking),
        }, where=self._where)  # fmt: skip

    def _report(self, made: Iterable[StixObject]) -> StixObject:
        marking = self._closed(self._marking, self._kept_marking)
        # A technique's id follows from it: who has the report could find out which one is meant.
        hidden = {one for one, own in self._named.items() if self._stands(own) > self._stands(marking)}
        ids = (one.id for one in made if one.type != "attack-pattern" or _technique_of(one) not in hidden)
        refs = list(dict.fromkeys(ids))
        labels = [tag for tag in self._tags if not tag.lower().startswith("tlp:")]
        kept = {"x_misp_unmapped": self._kept} if self._kept else {}
        date = str(self._event.get("date", ""))
        return checked({
            "type": "report", "spec_version": "2.1", "id": f"report--{self._uuid}", "created_by_ref": self._author.id,
            "created": self._stamp, "modified": self._stamp, "name": str(self._event.get("info") or "MISP event"),
            "published": self._stamp, "report_types": ["threat-report"], "object_refs": refs,
            **({"labels": labels} if labels else {}), **kept, "x_misp_date": date,
            "x_misp_threat_level_id": str(self._event.get("threat_level_id", "4")),
            "x_misp_analysis": str(self._event.get("analysis", "0")),
            **_marked(marking),
        }, where=self._where)  # fmt: skip


def _technique_of(one: StixObject) -> str:
    return str(one.raw["external_references"][0]["external_id"])


def _holder(one: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a MISP object besides its attributes."""
    return {key: one[key] for key in _SAID_OF_OBJECTS if one.get(key)}


def _list(holder: Mapping[str, Any], name: str, where: str) -> list[Mapping[str, Any]]:
    found = holder.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput(f"{where}.{name}", "is not a list of objects")
    return found


def _is_deleted(one: Mapping[str, Any]) -> bool:
    return one.get("deleted") in (True, 1, "1")


def _tags(holder: Mapping[str, Any]) -> list[str]:
    found = holder.get("Tag", [])
    if not isinstance(found, list):
        return []
    return [str(one["name"]) for one in found if isinstance(one, dict) and one.get("name")]


def _of_tags(tags: Iterable[str]) -> Marking | None:
    """The closest TLP among tags; a tag of TLP that nobody knows closes."""
    found = [marking_named(tag) for tag in tags if tag.lower().startswith("tlp:")]
    return _closest(*(Marking.RED if one is None else one for one in found))


def _of_distribution(one: Mapping[str, Any]) -> Marking | None:
    """What the distribution of an event, an object or an attribute says; 5, that of what it is in, says nothing."""
    return _DISTRIBUTIONS.get(str(one.get("distribution", "")))


def _closest(*markings: Marking | None) -> Marking | None:
    # Not by truth: that of CLEAR is 0.
    return max((one for one in markings if one is not None), default=None)


def _marked(marking: Marking | None) -> dict[str, list[str]]:
    return {} if marking is None else {"object_marking_refs": [TLP_2[marking]]}


def _techniques(holder: Mapping[str, Any], tags: Iterable[str]) -> list[str]:
    """Techniques that galaxies or tags name."""
    texts = [tag for tag in tags if tag.startswith("misp-galaxy:mitre-")]
    galaxies = holder.get("Galaxy", [])
    for galaxy in galaxies if isinstance(galaxies, list) else []:
        clusters = galaxy.get("GalaxyCluster", []) if isinstance(galaxy, dict) else []
        if str(galaxy.get("type", "") if isinstance(galaxy, dict) else "").startswith("mitre-attack-pattern"):
            texts += [str(one.get("value", "")) for one in clusters if isinstance(one, dict)]
    return list(dict.fromkeys(found for text in texts for found in _TECHNIQUE.findall(text)))


def _uuid(text: object, where: str) -> str:
    try:
        found = uuid.UUID(str(text))
    except ValueError as error:
        raise InvalidInput(where, "is no UUID") from error
    if found.version is None:
        raise InvalidInput(where, "is no UUID of RFC 9562")
    return str(found)


def _stamp(text: object, date: str, where: str) -> str:
    """MISP's seconds as STIX's time; the day where there are none."""
    plain = str(text if text is not None else "").strip()
    if plain.isascii() and plain.isdecimal() and len(plain) <= 11:
        return iso_from_ns(int(plain) * NS_PER_S)
    if _DATE.fullmatch(date):
        return f"{date}T00:00:00.000Z"
    raise InvalidInput(where, "is no time in seconds, and there is no date")


def _time(text: object) -> str:
    """A time as MISP writes it (`2026-01-02T03:04:05.000000+00:00`) as STIX does; empty for none."""
    from phalanx.core import ns_from_iso

    if not isinstance(text, str) or not text:
        return ""
    try:
        return iso_from_ns(ns_from_iso(text))
    except ValueError:
        return ""
