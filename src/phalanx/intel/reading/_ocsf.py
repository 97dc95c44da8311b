"""OCSF as a view: an event's own fields under the names of the Open Cybersecurity Schema Framework.

The tables say, for each product and service, which class an event is and which of its fields stands for which
attribute. What no table names is kept under ``unmapped``, so the view loses nothing; where a mapping says less than
the field did, ``mapping_of`` tells it. Events of sources without a table are shown as OCSF's base event, and what came
as OCSF is shown as it came, with its own class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from phalanx.core import NS_PER_MS, Event, Value
from phalanx.intel.reading._ocsf_class import Activity
from phalanx.intel.reading._ocsf_senders import CHOICES
from phalanx.intel.reading._ocsf_tables import BASE, OTHERS, REQUEST, SYSLOG, TABLES, Mapped, http_activity, integer
from phalanx.intel.reading.ocsf import CLASSES, OCSF_VERSION
from phalanx.intel.sigma._texts import as_text

_SEVERITY_INFORMATIONAL = 1
_VENDORS = {"aws": "AWS", "linux": "Linux", "suricata": "OISF", "windows": "Microsoft", "zeek": "Zeek"}
# What stands for nothing in the logs that use it.
_NOTHING = (None, "", "-")


@dataclass(frozen=True, slots=True)
class OcsfMapping:
    """How an event stands in its class: attributes and the fields they come from, fields that have no attribute, and
    what an attribute does not say of a field.
    """

    class_uid: int
    class_name: str
    mapped: Mapping[str, str]
    unmapped: tuple[str, ...]
    lossy: Mapping[str, str]


def ocsf_view(event: Event) -> dict[str, Any]:
    """The event as an OCSF object of the class its table names, or as a base event."""
    fields = event.fields()
    if event.batch.reader == "ocsf":
        return _as_it_came(event, fields)
    activity, mapped = _table(event, fields)
    view: dict[str, Any] = {}
    used = set()
    for path, name, convert in mapped:
        value = convert(fields[name]) if name in fields else None
        if value not in _NOTHING:
            _place(view, path.split("."), value)
            used.add(name)
    source = event.batch.log_source
    metadata = view.setdefault("metadata", {})
    metadata |= _own_metadata(event) | {
        "version": OCSF_VERSION,
        "product": {"name": source.product or "unknown", "vendor_name": _VENDORS.get(source.product, "unknown")},
    }
    return view | {
        **activity._asdict(),
        "type_uid": activity.class_uid * 100 + activity.activity_id,
        "severity_id": _SEVERITY_INFORMATIONAL,
        "time": event.time_ns // NS_PER_MS,
        "raw_data": event.raw.decode("utf-8", "backslashreplace"),
        "unmapped": {name: value for name, value in fields.items() if name not in used},
    }


def mapping_of(event: Event) -> OcsfMapping:
    """What the view says of the event's fields, and what it does not."""
    fields = event.fields()
    if event.batch.reader == "ocsf":
        known = CLASSES.get(_number(fields.get("class_uid")))
        return OcsfMapping(
            _number(fields.get("class_uid")), "" if known is None else known.class_name,
            {name: name for name in fields if not name.startswith("unmapped.")},
            tuple(name for name in fields if name.startswith("unmapped.")), {},
        )  # fmt: skip
    activity, table = _table(event, fields)
    mapped: dict[str, str] = {}
    lossy: dict[str, str] = {}
    whole: set[str] = set()
    for path, name, convert in table:
        if name not in fields:
            continue
        value = convert(fields[name])
        if value in _NOTHING:
            if fields[name] not in _NOTHING:
                lossy[name] = f"{path} cannot hold it"
            continue
        mapped[path] = name
        if _says_the_same(fields[name], value):
            whole.add(name)
        else:
            lossy.setdefault(name, f"{path} is only part of it")
    if event.time_ns % NS_PER_MS:
        lossy["(time)"] = "time is in milliseconds"
    used = set(mapped.values())
    return OcsfMapping(
        activity.class_uid, activity.class_name, mapped, tuple(name for name in fields if name not in used),
        {name: how for name, how in lossy.items() if name not in whole},
    )  # fmt: skip


def _says_the_same(field: Value, attribute: Any) -> bool:
    return as_text(field) == as_text(attribute) or (isinstance(attribute, int) and integer(field) == attribute)


def _table(event: Event, fields: Mapping[str, Value]) -> tuple[Activity, Mapped]:
    choose = CHOICES.get(event.batch.reader)
    if choose is not None:
        return choose(fields)
    source = event.batch.log_source
    code = integer(fields.get("EventID")) if source.product == "windows" else ""
    activity, mapped = TABLES.get((source.product, source.service, code if code is not None else ""), (BASE, ()))
    if activity is BASE:
        return BASE, OTHERS.get(source.product, ())
    if source.service == "sshd" and "action" not in fields:
        return BASE, SYSLOG
    return (http_activity(fields.get("method")), mapped) if activity is REQUEST else (activity, mapped)


def _as_it_came(event: Event, fields: Mapping[str, Value]) -> dict[str, Any]:
    """What was sent as OCSF. Its sender's id of the event is kept, and stands beside ours."""
    view: dict[str, Any] = msgspec.json.decode(event.raw)
    told = view.get("metadata")
    metadata = dict(told) if isinstance(told, dict) else {}
    if metadata.get("uid"):
        metadata["original_event_uid"] = metadata["uid"]
    view["metadata"] = {"version": OCSF_VERSION, **metadata, **_own_metadata(event)}
    known = CLASSES.get(_number(fields.get("class_uid")))
    if known is not None:
        told_activity = _number(fields.get("activity_id"))
        names = known.activity(told_activity)._asdict()
        view = {**names, "type_uid": known.class_uid * 100 + told_activity, **view}
    view.setdefault("raw_data", event.raw.decode("utf-8", "backslashreplace"))
    return view


def _own_metadata(event: Event) -> dict[str, Any]:
    return {
        "uid": event.id,
        "tenant_uid": event.batch.tenant,
        "logged_time": event.batch.accepted_at_ns // NS_PER_MS,
        "log_source": str(event.batch.log_source),
    }


def _number(value: Value) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _place(view: dict[str, Any], path: list[str], value: Any) -> None:
    """Put the value there; a step ``0`` is the first of a list."""
    at: Any = view
    for name, following in pairwise(path):
        if name == "0":
            if not at:
                at.append({})
            at = at[0]
        else:
            at = at.setdefault(name, [] if following == "0" else {})
    at[path[-1]] = value
