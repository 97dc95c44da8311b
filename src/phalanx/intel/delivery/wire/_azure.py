"""Microsoft Sentinel: the Logs Ingestion API, ``…/dataCollectionRules/{id}/streams/{stream}?api-version=2023-01-01``.

At most 1 MB a call, compressed or not; 204 when it was taken; 429 with ``Retry-After``. Nothing is known again that
comes twice: a query keeps one of each ``PhalanxId``.
"""

from dataclasses import dataclass, field

from phalanx.core import iso_from_ns
from phalanx.intel.delivery._contract import TAKEN, Answer, Parcel, SinkManifest
from phalanx.intel.delivery._model import Item
from phalanx.intel.delivery.wire._http import HttpReply, HttpRequest, judged_by_status, to_json

_API_VERSION = "2023-01-01"


@dataclass(frozen=True, slots=True)
class SentinelLogs:
    """One stream of one data collection rule."""

    rule: str
    stream: str
    manifest: SinkManifest = field(
        default=SinkManifest(
            product="Microsoft Sentinel", effect="at-least-once",
            known_by="the column PhalanxId (summarize arg_max(TimeGenerated, *) by PhalanxId)",
            # Brackets and commas belong to the call as well.
            max_bytes=950_000,
        )
    )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        return to_json({
            "TimeGenerated": iso_from_ns(item.at_ns), "PhalanxId": item.id, "Kind": item.kind, "Title": item.title,
            "Description": item.text, "Severity": item.severity.name.capitalize(), "SeverityId": int(item.severity),
            "Case": item.case, "Host": item.entity("host"), "User": item.entity("user"), "SrcIp": item.entity("ip"),
            "Techniques": list(item.techniques), "Revision": item.revision, "Tenant": item.tenant,
            "Trace": item.trace, "RawData": item.raw, "Fields": item.fields,
        })  # fmt: skip

    def request(self, parcel: Parcel) -> HttpRequest:
        path = f"/dataCollectionRules/{self.rule}/streams/{self.stream}?api-version={_API_VERSION}"
        body = b"[" + b",".join(parcel.forms) + b"]"
        return HttpRequest(path, body, {"Content-Type": "application/json"}, gzip=True)

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer:  # noqa: ARG002 - the same for all products
        return TAKEN if reply.status == 204 else judged_by_status(reply)
