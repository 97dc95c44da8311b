"""SOAR platforms: Splunk SOAR (Phantom) containers with artefacts, Cortex XSOAR (Demisto) incidents.

A container is known again by its ``source_data_identifier``: the case, where there is one, so that what belongs
together lands in one container; its artefacts by the item's id. XSOAR makes an incident of everything it is sent:
it is told of new findings only, and the id stands in ``dbotMirrorId`` for a pre-process rule to drop doubles by.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from phalanx.core import Severity, iso_from_ns
from phalanx.intel.delivery._contract import TAKEN, Answer, Parcel, SinkManifest, later, never
from phalanx.intel.delivery._model import Item
from phalanx.intel.delivery.wire._http import HttpReply, HttpRequest, judged_by_status, plain, to_json

_SOAR_SEVERITY = {
    Severity.INFORMATIONAL: "low", Severity.LOW: "low", Severity.MEDIUM: "medium", Severity.HIGH: "high",
    Severity.CRITICAL: "high",
}  # fmt: skip
_XSOAR_SEVERITY = {
    Severity.INFORMATIONAL: 0.5, Severity.LOW: 1, Severity.MEDIUM: 2, Severity.HIGH: 3, Severity.CRITICAL: 4,
}  # fmt: skip
_CEF_TYPES = {"host": "destinationHostName", "user": "destinationUserName", "ip": "sourceAddress", "file": "fileName"}


@dataclass(frozen=True, slots=True)
class SoarContainers:
    """Two requests for an item: its container, then the artefact in it. Both may be there already."""

    label: str = "events"
    manifest: SinkManifest = field(
        default=SinkManifest(
            product="Splunk SOAR", effect="once", known_by="source_data_identifier of container and artifact",
            max_items=1, max_bytes=1_000_000,
        )
    )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        container = {
            "name": f"{item.title}" if not item.case else f"Phalanx case {item.case}", "label": self.label,
            "source_data_identifier": item.case or item.subject, "severity": _SOAR_SEVERITY[item.severity],
            "description": item.text[:2_000], "data": {"tenant": item.tenant},
        }  # fmt: skip
        cef: dict[str, Any] = {_CEF_TYPES[one.type]: one.value for one in item.entities if one.type in _CEF_TYPES}
        artifact = {
            "name": item.title, "label": item.kind, "source_data_identifier": item.id,
            "severity": _SOAR_SEVERITY[item.severity], "cef": {**cef, "message": item.text[:2_000]},
            "data": plain(item), "start_time": iso_from_ns(item.at_ns), "run_automation": True,
        }  # fmt: skip
        return to_json({"container": container, "artifact": artifact})

    def request(self, parcel: Parcel) -> HttpRequest:
        container = msgspec.json.decode(parcel.forms[0])["container"]
        return HttpRequest("/rest/container", to_json(container), {"Content-Type": "application/json"})

    def artifact_request(self, parcel: Parcel, container: int) -> HttpRequest:
        artifact = {**msgspec.json.decode(parcel.forms[0])["artifact"], "container_id": container}
        return HttpRequest("/rest/artifact", to_json(artifact), {"Content-Type": "application/json"})

    @staticmethod
    def made(reply: HttpReply, what: str) -> int | None:
        """The id of the container or the artefact, made now or before."""
        found = reply.json()
        ident = found.get("id") if found.get("success") else found.get(f"existing_{what}_id")
        return ident if isinstance(ident, int) else None

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer:  # noqa: ARG002 - the same for all products
        """Of what is no id; ``failed`` with HTTP 400 or 200 is a refusal."""
        answer = judged_by_status(reply)
        if answer == TAKEN:
            return never(str(reply.json().get("message", "it made nothing"))) if reply.json() else later(reply.told)
        return answer


@dataclass(frozen=True, slots=True)
class XsoarIncidents:
    """``path`` is ``/incident``, or ``/xsoar/public/v1/incident`` with an id of the key (``x-xdr-auth-id``)."""

    path: str = "/incident"
    type: str = "Unclassified"
    investigate: bool = True
    manifest: SinkManifest = field(
        default=SinkManifest(
            product="Cortex XSOAR", effect="at-least-once", known_by="dbotMirrorId and the label phalanx_id",
            max_items=1, max_bytes=1_000_000, updates=False,
        )
    )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        labels = {"phalanx_id": item.id, "kind": item.kind, "case": item.case, "tenant": item.tenant}
        labels |= {f"entity_{one.type}": one.value for one in item.entities}
        return to_json({
            "name": item.title, "type": self.type, "severity": _XSOAR_SEVERITY[item.severity],
            "details": item.text[:4_000], "occurred": iso_from_ns(item.at_ns), "dbotMirrorId": item.subject,
            "createInvestigation": self.investigate, "rawJSON": to_json(plain(item)).decode(),
            "labels": [{"type": name, "value": value} for name, value in labels.items() if value],
        })  # fmt: skip

    def request(self, parcel: Parcel) -> HttpRequest:
        return HttpRequest(self.path, parcel.forms[0], {"Content-Type": "application/json"})

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer:  # noqa: ARG002 - the same for all products
        return judged_by_status(reply)
