"""An event as observables of STIX, so that a pattern can be asked about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from phalanx.core import Event, PhalanxError
from phalanx.intel.reading import ocsf_view
from phalanx.intel.sharing._errors import UnsupportedPattern
from phalanx.intel.sharing._ids import observable_id
from phalanx.intel.sharing._objects import StixObject
from phalanx.intel.sharing._own_objects import ip_version
from phalanx.intel.sharing._pattern import Node, parse_pattern
from phalanx.intel.sharing._pattern_use import holds

_ENDS: Final = (("src_endpoint", "src_ref", "src_port"), ("dst_endpoint", "dst_ref", "dst_port"))


def observables_of(event: Event) -> list[dict[str, Any]]:
    """What STIX calls what the event tells of: addresses, names, traffic, processes, files, accounts, registry."""
    return observables_of_view(ocsf_view(event))


def observables_of_view(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same out of the OCSF view of an event."""
    made: list[dict[str, Any]] = []

    def add(kind: str, **properties: Any) -> str:
        plain = {name: value for name, value in properties.items() if value not in (None, "")}
        one = {"type": kind, "id": observable_id(kind, plain), **plain}
        made.append(one)
        return str(one["id"])

    def address(text: Any) -> str:
        version = ip_version(str(text))
        return add(f"ipv{version}-addr", value=str(text)) if version else ""

    _traffic(view, add, address)
    _names(view, add)
    _actors(view, add)
    return made


@dataclass(frozen=True, slots=True)
class Seen:
    """An indicator whose pattern holds for an event."""

    indicator: StixObject
    event: Event


def seen_in(objects: Iterable[StixObject], events: Iterable[Event]) -> tuple[list[Seen], list[tuple[str, str]]]:
    """Which indicators hold for which events, and which of them cannot be asked of single events, and why."""
    patterns: list[tuple[StixObject, Node]] = []
    refused: list[tuple[str, str]] = []
    for one in objects:
        if one.type != "indicator" or one.raw.get("revoked") is True:
            continue
        try:
            if one.raw["pattern_type"] != "stix":
                raise UnsupportedPattern(f"pattern_type {one.raw['pattern_type']}", "only patterns of STIX are asked")
            tree = parse_pattern(one.raw["pattern"])
            holds(tree, [])
        except PhalanxError as error:
            refused.append((one.id, error.message))
        else:
            patterns.append((one, tree))
    found: list[Seen] = []
    for event in events:
        observables = [observables_of(event)]
        for one, tree in list(patterns):
            try:
                if holds(tree, observables):
                    found.append(Seen(one, event))
            except PhalanxError as error:
                # What cannot be asked shows only once there is something to ask about: an expression, for one.
                refused.append((one.id, error.message))
                patterns.remove((one, tree))
    return found, refused


def _traffic(view: Mapping[str, Any], add: Any, address: Any) -> None:
    traffic: dict[str, Any] = {}
    for end, ref, port in _ENDS:
        point = view.get(end, {})
        if point.get("ip") and (stix_id := address(point["ip"])):
            traffic |= {ref: stix_id, port: point.get("port")}
    if traffic:
        protocol = str(view.get("connection_info", {}).get("protocol_name", "")).lower() or "ip"
        add("network-traffic", **traffic, protocols=[protocol])


def _names(view: Mapping[str, Any], add: Any) -> None:
    asked = view.get("query", {}).get("hostname")
    if asked:
        add("domain-name", value=str(asked))
    url = view.get("http_request", {}).get("url", {})
    host = url.get("hostname")
    if host:
        kind = ip_version(str(host))
        add(f"ipv{kind}-addr" if kind else "domain-name", value=str(host))
        add("url", value=f"http://{host}{url.get('path', '')}")


def _actors(view: Mapping[str, Any], add: Any) -> None:
    for place in (view, view.get("actor", {})):
        process = place.get("process", {})
        if process:
            path = process.get("file", {}).get("path", "")
            image = add("file", name=process.get("name") or path) if process.get("name") or path else None
            add("process", pid=process.get("pid"), command_line=process.get("cmd_line"), image_ref=image)
        user = place.get("user", {}).get("name")
        if user:
            add("user-account", account_login=str(user))
    file = view.get("file", {})
    if file.get("name") or file.get("path"):
        add("file", name=file.get("name") or file["path"])
    key = view.get("reg_value", {}).get("path")
    if key:
        add("windows-registry-key", key=str(key).rpartition("\\")[0] or str(key))
