"""Whether an object is what STIX 2.1 says an object of its type is. Raises, naming object and property."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from phalanx.intel.sharing._errors import InvalidObject
from phalanx.intel.sharing._ids import is_stix_id, type_of
from phalanx.intel.sharing._kinds import (
    BOUNDED,
    FLAGS,
    LISTS,
    META,
    ONE_OF,
    OPINIONS,
    ORDERED,
    REQUIRED,
    SCO,
    SDO,
    SRO,
    TEXTS,
    TIMES,
)

_TYPE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*-?")
# RFC 3339 in UTC, as section 3.2 of TAXII and 2.16 of STIX have it.
_TIME = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?Z"
)
_MAX_TYPE_CHARS, _MIN_TYPE_CHARS = 250, 3


def check_object(raw: Mapping[str, Any], *, where: str) -> None:
    """Raises ``InvalidObject``. ``where`` names an object that has no usable id."""
    stix_id, kind = raw.get("id"), raw.get("type")
    name = stix_id if isinstance(stix_id, str) and len(stix_id) <= 2 * _MAX_TYPE_CHARS else where

    def refuse(property_: str, reason: str) -> InvalidObject:
        return InvalidObject(name, property_, reason)

    if not isinstance(kind, str) or not _MIN_TYPE_CHARS <= len(kind) <= _MAX_TYPE_CHARS or not _TYPE.fullmatch(kind):
        raise refuse("type", "is missing or not the name of a type")
    if kind == "bundle":
        raise refuse("type", "a bundle cannot be in a bundle")
    if not is_stix_id(stix_id):
        raise refuse("id", "is missing or not `type--UUID`")
    if type_of(str(stix_id)) != kind:
        raise refuse("id", f"does not begin with the object's type {kind}")
    _check_required(raw, kind, refuse)
    for property_, value in raw.items():
        # A property of somebody's own means what they say; it goes out as it came.
        if not property_.startswith("x_"):
            _check_value(property_, value, kind, refuse)
    _check_order(raw, refuse)


def is_time(value: object) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


_Refuse = Callable[[str, str], InvalidObject]


def _check_required(raw: Mapping[str, Any], kind: str, refuse: _Refuse) -> None:
    required = REQUIRED.get(kind, ())
    if kind in SDO or kind in SRO or kind in META:
        required = ("spec_version", "created", *(("modified",) if kind != "marking-definition" else ()), *required)
    elif kind not in SCO and "created" in raw:
        required = ("spec_version",)  # a custom type that is made as SDO are
    for property_ in required:
        if property_ not in raw:
            raise refuse(property_, f"is required of {kind}")
    if raw.get("spec_version", "2.1") != "2.1":
        raise refuse("spec_version", "is not 2.1")
    if kind == "malware" and raw.get("is_family") is True and "name" not in raw:
        raise refuse("name", "is required of a family of malware")
    choices = ONE_OF.get(kind, ())
    if choices and not any(one in raw for one in choices):
        raise refuse(choices[0], f"{kind} needs one of {', '.join(choices)}")


def _check_value(property_: str, value: object, kind: str, refuse: _Refuse) -> None:
    if value is None or value == []:
        raise refuse(property_, "is empty: what is not known is left out")
    if property_ in TEXTS:
        if not isinstance(value, str) and not (
            property_ == "version" and kind not in ("extension-definition", "software")
        ):
            raise refuse(property_, "is not text")
    elif property_ in TIMES:
        if not is_time(value):
            raise refuse(property_, "is not a time in UTC like 2026-01-02T03:04:05.678Z")
    elif property_ in FLAGS:
        if not isinstance(value, bool):
            raise refuse(property_, "is neither true nor false")
    elif property_ in BOUNDED:
        _check_bounded(property_, value, refuse)
    elif property_ in LISTS:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise refuse(property_, "is not a list of texts")
    else:
        _check_shape(property_, value, refuse)
    if kind == "opinion" and property_ == "opinion" and value not in OPINIONS:
        raise refuse(property_, f"is none of {', '.join(sorted(OPINIONS))}")


def _check_bounded(property_: str, value: object, refuse: _Refuse) -> None:
    low, high = BOUNDED[property_]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise refuse(property_, f"is not a whole number from {low} to {high}")


def _check_shape(property_: str, value: object, refuse: _Refuse) -> None:
    if property_.endswith("_refs"):
        if not isinstance(value, list) or not all(map(is_stix_id, value)):
            raise refuse(property_, "is not a list of ids")
    elif property_.endswith("_ref"):
        if not is_stix_id(value):
            raise refuse(property_, "is not an id")
    elif property_ == "granular_markings":
        _check_granular(value, refuse)
    elif property_ in ("external_references", "kill_chain_phases"):
        needed = "source_name" if property_ == "external_references" else "phase_name"
        if not isinstance(value, list) or not all(isinstance(one, dict) and needed in one for one in value):
            raise refuse(property_, f"is not a list of objects with {needed}")
    elif property_ in ("extensions", "hashes", "definition", "contents") and not isinstance(value, dict):
        raise refuse(property_, "is not an object")


def _check_granular(value: object, refuse: _Refuse) -> None:
    for one in value if isinstance(value, list) else [None]:
        if not isinstance(one, dict) or not isinstance(one.get("selectors"), list):
            raise refuse("granular_markings", "is not a list of markings with selectors")
        if "marking_ref" in one and not is_stix_id(one["marking_ref"]):
            raise refuse("granular_markings", "a marking_ref is not an id")


def _check_order(raw: Mapping[str, Any], refuse: _Refuse) -> None:
    for earlier, later, strictly in ORDERED:
        first, second = raw.get(earlier), raw.get(later)
        if first is None or second is None:
            continue
        a, b = comparable_time(first), comparable_time(second)
        if b < a or (strictly and b == a):
            raise refuse(later, f"is not later than {earlier}" if strictly else f"is earlier than {earlier}")


def comparable_time(text: str) -> str:
    """Times of any precision as text that orders as they do."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return f"{seconds}.{fraction.rstrip('0')}"
