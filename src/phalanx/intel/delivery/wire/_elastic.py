"""Elasticsearch's ``_bulk``: each item has its own result, and its own document.

A document's id is the record's, and its version the item's revision: what is sent twice is one document, and what
arrives late does not undo what is newer. A conflict of versions therefore says that it is there.
"""

from dataclasses import dataclass, field
from typing import Any

from phalanx.core import iso_from_ns
from phalanx.intel.delivery._contract import Answer, Parcel, SinkManifest, later, never
from phalanx.intel.delivery._model import EVENT, Item
from phalanx.intel.delivery.wire._http import HttpReply, HttpRequest, judged_by_status, plain, to_json

_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class ElasticBulk:
    """``index`` takes findings, cases and decisions; ``{kind}`` in it becomes the item's kind."""

    index: str = "phalanx-{kind}"
    manifest: SinkManifest = field(
        default=SinkManifest(
            product="Elasticsearch", effect="once", known_by="the document's id and external version",
            max_items=5_000, max_bytes=5_000_000,
        )
    )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        index = self.index.replace("{kind}", item.kind)
        action: dict[str, dict[str, object]]
        if item.kind == EVENT:
            action = {"create": {"_index": index, "_id": item.subject}}
        else:
            version = {"version": item.revision, "version_type": "external"}
            action = {"index": {"_index": index, "_id": item.subject, **version}}
        document = {"@timestamp": iso_from_ns(item.at_ns), "message": item.raw or item.text, **plain(item)}
        return to_json(action) + b"\n" + to_json(document) + b"\n"

    def request(self, parcel: Parcel) -> HttpRequest:
        return HttpRequest("/_bulk", b"".join(parcel.forms), {"Content-Type": "application/x-ndjson"}, gzip=True)

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer:
        if reply.status != 200:
            return judged_by_status(reply)
        results = reply.json().get("items")
        if not isinstance(results, list) or len(results) != len(parcel.items):
            return later("its answer does not have a result for each item")
        again: dict[int, str] = {}
        refused: dict[int, str] = {}
        for place, result in enumerate(results):
            told: dict[str, Any] = next(iter(result.values()), {}) if isinstance(result, dict) else {}
            status = told.get("status", 0)
            if 200 <= status < 300 or status == 409:
                continue
            error = told.get("error") or {}
            reason = f"{status} {error.get('type', '')}: {error.get('reason', '')}"
            (again if status in _AGAIN else refused)[place] = reason
        if len(refused) == len(parcel.items) == 1:
            return never(refused[0])
        return Answer(again=again, refused=refused, retry_after_s=reply.retry_after_s)
