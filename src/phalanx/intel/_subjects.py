"""What an event is about: its host, and the users, addresses, programs and files it names."""

import re
from collections.abc import Mapping
from typing import Final

from phalanx.core import MAX_NAME_CHARS, Entity, Event, Value
from phalanx.intel._limits import MAX_ENTITIES, MAX_QUOTE_CHARS
from phalanx.intel.reading import PRODUCT
from phalanx.intel.sigma import as_text

UNKNOWN_HOST: Final = "unknown"

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9._:-]")

# By product: the field that names the host the event is of.
HOST_FIELDS: Mapping[str, tuple[str, ...]] = {
    "aws": ("sourceIPAddress",),
    "cef": ("src", "shost", "dvchost", "hostname"),
    "ecs": ("host.name", "host.hostname", "source.ip"),
    "leef": ("src", "identHostName", "hostname"),
    "linux": ("hostname", "host.name", "device.hostname"),
    "ocsf": ("device.hostname", "src_endpoint.ip"),
    # Who touched is the one to look into; where nobody can be named, the host that was touched is.
    "phalanx": ("src_ip", "host"),
    "suricata": ("src_ip",),
    "windows": ("Hostname", "Computer", "host.name", "device.hostname"),
    "zeek": ("id.orig_h",),
}
# Field → type of the entity its value is.
ENTITY_FIELDS: Mapping[str, Mapping[str, str]] = {
    "phalanx": {"src_ip": "ip", "user": "user", "path": "file"},
    "linux": {"user": "user", "target_user": "user", "src_ip": "ip", "command": "process"},
    "windows": {
        "User": "user",
        "TargetUserName": "user",
        "SubjectUserName": "user",
        "Image": "process",
        "NewProcessName": "process",
        "SourceImage": "process",
        "IpAddress": "ip",
        "DestinationIp": "ip",
        "TargetFilename": "file",
        "QueryName": "domain",
    },
    "aws": {"userIdentity.arn": "user", "sourceIPAddress": "ip"},
    "cef": {"src": "ip", "dst": "ip", "suser": "user", "duser": "user", "sproc": "process", "dhost": "domain"},
    "ecs": {"user.name": "user", "process.executable": "process", "source.ip": "ip", "destination.ip": "ip"},
    "leef": {"src": "ip", "dst": "ip", "usrName": "user"},
    "ocsf": {
        "actor.user.name": "user",
        "process.file.path": "process",
        "src_endpoint.ip": "ip",
        "dst_endpoint.ip": "ip",
    },
    "suricata": {
        "src_ip": "ip",
        "dest_ip": "ip",
        "dns.rrname": "domain",
        "tls.sni": "domain",
        "http.hostname": "domain",
    },
    "zeek": {"id.orig_h": "ip", "id.resp_h": "ip", "query": "domain", "host": "domain"},
}
# How an event of the node's own names several sources.
_AND = ", "
_NOTHING = ("", "-", "::1", "127.0.0.1")


def host_of(event: Event, host_names: Mapping[str, str]) -> str:
    """The host's name in lower case; ``host_names`` gives it for an address or a short name.

    What a hostile line calls itself is cut to the letters of a name.
    """
    for field in HOST_FIELDS.get(event.batch.log_source.product, ()):
        text = as_text(event.get(field)).lower()
        if text:
            name = _NOT_IN_A_NAME.sub("_", text[:MAX_NAME_CHARS])
            return host_names.get(name, name)
    return UNKNOWN_HOST


def source_of(event: Event) -> Entity | None:
    """The source of events that an event of the node's own is about; None for every other event."""
    name = as_text(event.get("source")) if event.batch.log_source.product == PRODUCT else ""
    return Entity("source", name[:MAX_NAME_CHARS]) if name else None


def place_of(event: Event, host_names: Mapping[str, str]) -> str:
    """What the event's case is named after: its host, or else the source that it is about."""
    host = host_of(event, host_names)
    source = source_of(event) if host == UNKNOWN_HOST else None
    if source is None:
        return host
    first, *others = source.value.split(_AND)
    n_sources = event.get("sources")
    more = f"-and-{n_sources - 1 if isinstance(n_sources, int) else len(others)}-more" if others else ""
    return _NOT_IN_A_NAME.sub("_", f"{source.type}:{first}{more}".lower())


def entities_of(event: Event, host: str) -> tuple[Entity, ...]:
    """The host first, or the source that the event is about, then what else it names, each once.

    Where nobody knows the host, none is named: something might be done about it.
    """
    source = source_of(event)
    first = [] if source is not None or host == UNKNOWN_HOST else [Entity("host", host)]
    found = dict.fromkeys([source] if source is not None else first)
    for field, kind in ENTITY_FIELDS.get(event.batch.log_source.product, {}).items():
        if field == "id.resp_h" and event.batch.log_source.service == "dns":
            # A resolver is asked by everybody and is no party to what is asked.
            continue
        text = as_text(event.get(field))[:MAX_QUOTE_CHARS]
        if text not in _NOTHING:
            found[Entity(kind, text)] = None
    return tuple(found)[:MAX_ENTITIES]


def quote(fields: tuple[str, ...], event: Event) -> str:
    """The values of ``fields`` that the event has, for people: ``Image "C:\\…", User "…"``."""
    present: list[tuple[str, Value]] = [(field, event.get(field)) for field in fields]
    return ", ".join(f'{field} "{_short(as_text(value))}"' for field, value in present if value is not None)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_QUOTE_CHARS else f"{text[: MAX_QUOTE_CHARS - 1]}…"
