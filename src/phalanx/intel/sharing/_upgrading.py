"""STIX 2.0 brought up to 2.1 (section 1.4 of the standard lists what changed).

What 2.0 did not say is not invented, with one exception: 2.1 requires of malware whether it is a family, and 2.0
did not ask; it becomes `is_family: false`. Observables inside of observed data become objects with ids of their own.
"""

from collections.abc import Mapping
from typing import Any, Final

from phalanx.intel.sharing._errors import InvalidObject
from phalanx.intel.sharing._ids import is_stix_id, observable_id
from phalanx.intel.sharing._kinds import META, SCO, SDO, SRO

# In 2.0 labels held what 2.1 has a property of its own for.
_LABELS: Final[Mapping[str, str]] = {
    "indicator": "indicator_types",
    "malware": "malware_types",
    "report": "report_types",
    "threat-actor": "threat_actor_types",
    "tool": "tool_types",
    "identity": "roles",
}
_MAX_LINKED = 10_000


def is_older(raw: Mapping[str, Any]) -> bool:
    """Whether an object is of 2.0: it says so, or it is of a kind that says its version and does not."""
    said = raw.get("spec_version")
    if said is not None:
        return bool(said == "2.0")
    kind = raw.get("type")
    return kind in SDO or kind in SRO or kind in META or (kind not in SCO and "created" in raw)


def upgraded(raw: Mapping[str, Any], *, where: str) -> list[dict[str, Any]]:
    """The object as 2.1 has it, after the observables that were inside of it. Raises ``InvalidObject``."""
    kind = raw.get("type")
    if kind in SCO:
        return [dict(raw)]
    made = {"type": kind, "spec_version": "2.1", **{k: v for k, v in raw.items() if k not in ("type", "spec_version")}}
    target = _LABELS.get(str(kind), "")
    if target and target not in made and "labels" in made:
        made[target] = made.pop("labels")
    if kind == "indicator":
        made.setdefault("pattern_type", "stix")
    if kind == "malware":
        made.setdefault("is_family", False)
    inside = made.get("objects")
    if kind == "observed-data" and isinstance(inside, dict) and "object_refs" not in made:
        observables = _observables(inside, where=str(raw.get("id", where)))
        made["object_refs"] = list(dict.fromkeys(one["id"] for one in observables))
        del made["objects"]
        return [*observables, made]
    return [made]


def _observables(inside: Mapping[str, Any], *, where: str) -> list[dict[str, Any]]:
    """Objects with ids out of a graph whose nodes refer to each other by key."""
    if len(inside) > _MAX_LINKED:
        raise InvalidObject(where, "objects", f"are more than {_MAX_LINKED}")
    ids: dict[str, str] = {}
    made: dict[str, dict[str, Any]] = {}
    under_way: set[str] = set()

    def resolve(key: object) -> str:
        if not isinstance(key, str) or key not in inside:
            if is_stix_id(key):
                return str(key)
            raise InvalidObject(where, "objects", f"{key!r} is referred to and is not there")
        if key in ids:
            return ids[key]
        raw = inside[key]
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            raise InvalidObject(where, f"objects.{key}", "is not an observable")
        if key in under_way:
            # A cycle has no id that follows from what it is made of: its id is made without the reference.
            ids[key] = observable_id(raw["type"], {k: v for k, v in raw.items() if not k.endswith(("_ref", "_refs"))})
            return ids[key]
        under_way.add(key)
        linked = _linked(raw, resolve)
        stix_id = ids.setdefault(key, observable_id(raw["type"], linked))
        made[key] = {"type": raw["type"], "spec_version": "2.1", "id": stix_id, **{
            name: value for name, value in linked.items() if name != "type"
        }}  # fmt: skip
        return stix_id

    for key in inside:
        try:
            resolve(key)
        except RecursionError as error:
            raise InvalidObject(where, "objects", "refer to each other in too long a chain") from error
    return list(made.values())


def _linked(value: Any, resolve: Any) -> Any:
    """The same with references by key replaced by ids, also in extensions."""
    if isinstance(value, dict):
        return {name: _linked_property(name, one, resolve) for name, one in value.items()}
    if isinstance(value, list):
        return [_linked(one, resolve) for one in value]
    return value


def _linked_property(name: str, value: Any, resolve: Any) -> Any:
    if name.endswith("_ref"):
        return resolve(value)
    if name.endswith("_refs") and isinstance(value, list):
        return [resolve(one) for one in value]
    return _linked(value, resolve)
