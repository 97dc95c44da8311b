"""Google SecOps (Chronicle): UDM events through ``events:import``, raw logs through ``logs:import``.

A log entry is known again by its data and its time: the same one, sent twice, is one log there. A UDM event is
told apart by ``metadata.product_log_id``.
"""

import base64
from dataclasses import dataclass, field
from typing import Any

from phalanx.core import Severity, iso_from_ns
from phalanx.intel.delivery._contract import Answer, Parcel, SinkManifest
from phalanx.intel.delivery._model import Item
from phalanx.intel.delivery.wire._http import HttpReply, HttpRequest, judged_by_status, plain, to_json

_UDM_SEVERITY = {
    Severity.INFORMATIONAL: "INFORMATIONAL", Severity.LOW: "LOW", Severity.MEDIUM: "MEDIUM", Severity.HIGH: "HIGH",
    Severity.CRITICAL: "CRITICAL",
}  # fmt: skip
_MAX_BYTES = 3_500_000


@dataclass(frozen=True, slots=True)
class SecOpsUdm:
    """``instance`` is ``projects/P/locations/L/instances/I``."""

    instance: str
    manifest: SinkManifest = field(
        default=SinkManifest(
            product="Google SecOps UDM", effect="at-least-once", known_by="metadata.product_log_id", max_items=1_000,
            max_bytes=_MAX_BYTES,
        )
    )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        result: dict[str, Any] = {
            "rule_name": str(item.fields.get("rule", "")), "summary": item.title, "description": item.text,
            "severity": _UDM_SEVERITY[item.severity], "category_details": [item.kind],
        }  # fmt: skip
        if item.techniques:
            result["attack_details"] = {"techniques": [{"id": one} for one in item.techniques]}
        principal = {
            key: value
            for key, value in (
                ("hostname", item.entity("host")),
                ("ip", [one.value for one in item.entities if one.type == "ip"]),
                ("user", {"userid": item.entity("user")} if item.entity("user") else None),
            )
            if value
        }
        told = {
            "metadata": {
                "event_timestamp": iso_from_ns(item.at_ns), "event_type": "GENERIC_EVENT", "vendor_name": "Phalanx",
                "product_name": "Phalanx", "product_event_type": item.kind, "product_log_id": item.id,
            },
            "principal": principal, "security_result": [result],
            "additional": {"case": item.case, "tenant": item.tenant, "revision": item.revision, "trace": item.trace},
        }  # fmt: skip
        return to_json({"udm": told})

    def request(self, parcel: Parcel) -> HttpRequest:
        body = b'{"inlineSource":{"events":[' + b",".join(parcel.forms) + b"]}}"
        path = f"/v1alpha/{self.instance}/events:import"
        return HttpRequest(path, body, {"Content-Type": "application/json"}, gzip=True)

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer:  # noqa: ARG002 - the same for all products
        return judged_by_status(reply)


@dataclass(frozen=True, slots=True)
class SecOpsLogs:
    """Raw logs of one log type; items that are no events go as JSON."""

    instance: str
    log_type: str
    forwarder: str = ""
    manifest: SinkManifest = field(
        default=SinkManifest(
            product="Google SecOps logs", effect="at-least-once", known_by="the same data with the same logEntryTime",
            max_items=1_000, max_bytes=_MAX_BYTES,
        )
    )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        data = item.raw.encode() if item.raw else to_json(plain(item))
        at = iso_from_ns(item.at_ns)
        return to_json({"data": base64.b64encode(data).decode(), "logEntryTime": at, "collectionTime": at})

    def request(self, parcel: Parcel) -> HttpRequest:
        forwarder = b',"forwarder":' + to_json(self.forwarder) if self.forwarder else b""
        body = b'{"inlineSource":{"logs":[' + b",".join(parcel.forms) + b"]" + forwarder + b"}}"
        path = f"/v1alpha/{self.instance}/logTypes/{self.log_type}/logs:import"
        return HttpRequest(path, body, {"Content-Type": "application/json"}, gzip=True)

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer:  # noqa: ARG002 - the same for all products
        return judged_by_status(reply)
