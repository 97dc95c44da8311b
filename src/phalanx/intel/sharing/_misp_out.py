"""STIX objects as a MISP event, and events as a feed (manifest and hashes) that MISP reads from any web server."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from phalanx.core import NS_PER_S, PhalanxError, ns_from_iso
from phalanx.intel.sharing._attack import attack
from phalanx.intel.sharing._ids import own_id
from phalanx.intel.sharing._indicators import indicators_of
from phalanx.intel.sharing._misp_types import attribute_type, attributes_of, category_of
from phalanx.intel.sharing._objects import StixObject
from phalanx.intel.sharing._tlp import MarkingBook
from phalanx.messaging import Marking

_DISTRIBUTIONS: Final = {
    Marking.CLEAR: "3", Marking.GREEN: "2", Marking.AMBER: "1", Marking.AMBER_STRICT: "0", Marking.RED: "0",
}  # fmt: skip
_COLOURS: Final = {
    Marking.CLEAR: "#ffffff", Marking.GREEN: "#339900", Marking.AMBER: "#ffc000", Marking.AMBER_STRICT: "#ffc000",
    Marking.RED: "#cc0033",
}  # fmt: skip


def misp_event(objects: Sequence[StixObject], *, organisation: str, unmarked: Marking) -> dict[str, Any]:
    """One event of all objects, as MISP writes it: ``{"Event": …}``. The same objects make the same event."""
    book = MarkingBook(objects)
    closest = max((book.marking_of(one, unmarked=unmarked) for one in objects), default=unmarked)
    report = next((one for one in objects if one.type == "report"), None)
    about = report or next((one for one in objects if one.type == "incident"), None)
    stamp = max((_seconds(one.version) for one in objects if one.version), default=0)
    whole = book.marking_of(about, unmarked=unmarked) if about is not None else closest
    attributes, holders = _attributes(objects, book, whole, stamp, unmarked)
    said = about.raw if about is not None else {}
    day = str(said.get("x_misp_date") or str(said.get("created", "1970-01-01"))[:10])
    cause = about.id if about is not None else "\n".join(sorted(one.id for one in objects))
    event_uuid = report.id.partition("--")[2] if report is not None else own_id("event", cause).partition("--")[2]
    labels = [{"name": str(label)} for label in said.get("labels", ())]
    # What is said of the event is for all who have it; closer techniques stay with the attributes whose tags name them.
    open_to_all = [one for one in objects if book.marking_of(one, unmarked=unmarked) <= whole]
    tags = {one["name"]: one for one in (_tlp_tag(whole), *labels, *_technique_tags(open_to_all))}
    author = {"name": organisation, "uuid": own_id("identity", organisation).partition("--")[2]}
    return {"Event": {
        "uuid": event_uuid, "info": str(said.get("name", "Indicators")), "date": day, "timestamp": str(stamp),
        "publish_timestamp": str(stamp), "published": True, "analysis": str(said.get("x_misp_analysis", "2")),
        "threat_level_id": str(said.get("x_misp_threat_level_id", "2")), "distribution": _DISTRIBUTIONS[closest],
        "Orgc": _author(objects, said, author), "Tag": list(tags.values()),
        "Attribute": [*attributes, *_kept(said, holders, stamp)], "Object": list(holders.values()),
    }}  # fmt: skip


def _author(objects: Sequence[StixObject], said: Mapping[str, Any], otherwise: dict[str, str]) -> dict[str, str]:
    wanted = said.get("created_by_ref")
    for one in objects:
        if one.id == wanted and one.type == "identity":
            return {"name": str(one.raw["name"]), "uuid": one.id.partition("--")[2]}
    return otherwise


def _attributes(
    objects: Sequence[StixObject], book: MarkingBook, whole: Marking, stamp: int, unmarked: Marking
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Attributes by themselves, and MISP objects with theirs."""
    plain: list[dict[str, Any]] = []
    holders: dict[str, dict[str, Any]] = {}
    looked_for = {
        (made["type"], made["value"]) for one in objects if one.type == "indicator" for made in _of_object(one, stamp)
    }
    for one in objects:
        marking = book.marking_of(one, unmarked=unmarked)
        for made in _of_object(one, stamp):
            if "x_misp_type" not in one.raw and not made["to_ids"] and (made["type"], made["value"]) in looked_for:
                continue
            closer = [_tlp_tag(marking)] if marking > whole and one.markings else []
            if tags := [*closer, *({"name": str(tag)} for tag in one.raw.get("x_misp_tags", ()))]:
                made["Tag"] = tags
            holder = one.raw.get("x_misp_object")
            if isinstance(holder, dict) and isinstance(holder.get("uuid"), str):
                relation = str(one.raw.get("x_misp_object_relation", ""))
                _holder(holders, holder, stamp).append(made | {"object_relation": relation})
            else:
                plain.append(made)
    return plain, holders


def _holder(holders: dict[str, dict[str, Any]], one: Mapping[str, Any], stamp: int) -> list[dict[str, Any]]:
    there = holders.setdefault(str(one["uuid"]), {**one, "timestamp": str(stamp), "Attribute": []})
    attributes: list[dict[str, Any]] = there["Attribute"]
    return attributes


def _kept(said: Mapping[str, Any], holders: dict[str, dict[str, Any]], stamp: int) -> list[dict[str, Any]]:
    """Attributes that have no form in STIX, as they came: by themselves, and into the objects that they are of."""
    plain = []
    for one in said.get("x_misp_unmapped", ()):
        holder = one.get("x_misp_object")
        if isinstance(holder, dict) and isinstance(holder.get("uuid"), str):
            _holder(holders, holder, stamp).append({key: one[key] for key in one if key != "x_misp_object"})
        else:
            plain.append(one)
    return plain


def _of_object(one: StixObject, stamp: int) -> list[dict[str, Any]]:
    raw, seconds = one.raw, str(_seconds(one.version) or stamp)
    own_uuid = one.id.partition("--")[2]
    if "x_misp_type" in raw:
        kind = str(raw["x_misp_type"])
        made = {
            "uuid": str(raw.get("x_misp_uuid", own_uuid)), "type": kind, "value": str(raw.get("x_misp_value", "")),
            "category": str(raw.get("x_misp_category") or category_of(kind)),
            "timestamp": str(raw.get("x_misp_timestamp") or seconds),
            "to_ids": bool(raw.get("x_misp_to_ids")), "distribution": "5",
            "comment": str(raw.get("x_misp_comment", "")),
        }  # fmt: skip
        seen = {name: str(raw[f"x_misp_{name}"]) for name in ("first_seen", "last_seen") if f"x_misp_{name}" in raw}
        return [made | seen]
    if one.type == "indicator":
        return _of_indicator(one, own_uuid, seconds)
    if one.type == "vulnerability":
        return [_attribute(own_uuid, "vulnerability", str(raw["name"]), "External analysis", seconds, to_ids=False)]
    # What was seen, and is not to be looked for: an observable has as many attributes as a file has hashes.
    return [
        _attribute(
            own_uuid if place == 0 else own_id("attribute", one.id, kind, value).partition("--")[2], kind, value,
            category_of(kind), seconds, to_ids=False,
        )
        for place, (kind, value) in enumerate(attributes_of(raw))
    ]  # fmt: skip


def _of_indicator(one: StixObject, own_uuid: str, seconds: str) -> list[dict[str, Any]]:
    found = indicators_of([one])
    if not found.indicators:
        kind = {"stix": "stix2-pattern"}.get(str(one.raw["pattern_type"]), str(one.raw["pattern_type"]))
        return [_attribute(own_uuid, kind, str(one.raw["pattern"]), "Artifacts dropped", seconds, to_ids=True)]
    made = []
    for place, value in enumerate(found.indicators):
        kind = attribute_type(value.kind, value.value)
        if kind:
            # A pattern of several values is several attributes: the first has the indicator's own id.
            each = own_uuid if place == 0 else own_id("attribute", one.id, value.kind, value.value).partition("--")[2]
            comment = str(one.raw.get("name", ""))
            made.append(_attribute(each, kind, value.value, category_of(kind), seconds, to_ids=True, comment=comment))
    return made


def _attribute(
    own_uuid: str, kind: str, value: str, category: str, seconds: str, *, to_ids: bool, comment: str = ""
) -> dict[str, Any]:
    return {
        "uuid": own_uuid, "type": kind, "value": value, "category": category, "timestamp": seconds, "to_ids": to_ids,
        "distribution": "5", "comment": comment,
    }  # fmt: skip


def _technique_tags(objects: Sequence[StixObject]) -> list[dict[str, str]]:
    tags = {}
    for one in objects:
        if one.type != "attack-pattern":
            continue
        for reference in one.raw.get("external_references", ()):
            if reference.get("source_name") != "mitre-attack":
                continue
            technique_id = str(reference.get("external_id", ""))
            try:
                name = attack().technique(technique_id).name
            except PhalanxError:
                name = str(one.raw.get("name", technique_id))
            tags[technique_id] = {"name": f'misp-galaxy:mitre-attack-pattern="{name} - {technique_id}"'}
    return list(tags.values())


def _tlp_tag(marking: Marking) -> dict[str, str]:
    return {"name": marking.label.lower(), "colour": _COLOURS[marking]}


def _seconds(text: str) -> int:
    try:
        return max(0, ns_from_iso(text)) // NS_PER_S
    except ValueError:
        return 0


def misp_feed(events: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """The files of a feed: each event under its UUID, the manifest, and the hashes of values by event."""
    files: dict[str, bytes] = {}
    manifest: dict[str, Any] = {}
    hashes: list[str] = []
    for document in events:
        event = document["Event"]
        name = str(event["uuid"])
        files[f"{name}.json"] = json.dumps(document, indent=1, ensure_ascii=False).encode()
        manifest[name] = {key: event[key] for key in ("info", "date", "timestamp", "threat_level_id", "analysis")}
        manifest[name] |= {"Orgc": event["Orgc"], "Tag": event["Tag"]}
        held = [*event["Attribute"], *(each for holder in event["Object"] for each in holder["Attribute"])]
        for attribute in held:
            # MISP's own choice: it compares values by this hash, and trusts it with nothing.
            parts = str(attribute.get("value", "")).split("|")
            hashes += [f"{hashlib.md5(one.encode(), usedforsecurity=False).hexdigest()},{name}" for one in parts]
    files["manifest.json"] = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
    files["hashes.csv"] = "".join(f"{line}\n" for line in dict.fromkeys(hashes)).encode()
    return files
