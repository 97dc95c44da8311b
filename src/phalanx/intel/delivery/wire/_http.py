"""What all products over HTTP share: requests as values, and what a status means. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from phalanx.core import iso_from_ns
from phalanx.intel.delivery._contract import TAKEN, Answer, Parcel, SinkManifest, later, never
from phalanx.intel.delivery._model import Item

_QUOTED = 200
_to_json = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """``path`` is below the sink's address. ``gzip`` says that the peer takes a compressed body."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    gzip: bool = False


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What the peer answered, and the pause that it asks for."""

    status: int
    body: bytes
    retry_after_s: float | None = None

    def json(self) -> dict[str, Any]:
        """The body as an object; empty when it is none."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def told(self) -> str:
        """The status and how the body begins, for people."""
        text = " ".join(self.body[:_QUOTED].decode(errors="replace").split())
        return f"HTTP {self.status}" + (f": {text}" if text else "")


class HttpForm(Protocol):
    """One product: how items look, how a parcel is asked for, and what its answers mean."""

    @property
    def manifest(self) -> SinkManifest: ...

    def encode(self, item: Item) -> bytes: ...

    def request(self, parcel: Parcel) -> HttpRequest: ...

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer: ...


def judged_by_status(reply: HttpReply) -> Answer:
    """What a status means where the product does not say more.

    What an administrator has to mend (credentials, an address) is tried again, so that nothing is lost meanwhile.
    """
    status = reply.status
    if 200 <= status < 300:
        return TAKEN
    if status == 413:
        return Answer(split=True)
    if status in {401, 403}:
        return later(f"it refuses the credentials ({reply.told})", reply.retry_after_s)
    if status in {404, 405, 407, 408, 409, 423, 425, 426, 429} or status >= 500 or status < 400:
        return later(reply.told, reply.retry_after_s)
    return never(reply.told)


def to_json(value: Any) -> bytes:
    return _to_json.encode(value)


def plain(item: Item) -> dict[str, Any]:
    """An item under names of our own, for products that take any fields."""
    return {
        "phalanx_id": item.id, "kind": item.kind, "subject": item.subject, "revision": item.revision,
        "tenant": item.tenant, "trace": item.trace, "time": iso_from_ns(item.at_ns),
        "severity": item.severity.name.lower(), "severity_id": int(item.severity), "title": item.title,
        "text": item.text, "case": item.case,
        "entities": [{"type": one.type, "value": one.value} for one in item.entities],
        "techniques": list(item.techniques), **{f"x_{name}": value for name, value in item.fields.items()},
    }  # fmt: skip
