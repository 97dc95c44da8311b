"""Splunk's HTTP Event Collector: events, raw lines, and acknowledgement by the indexers.

Error codes 0 to 27 after "Troubleshoot HTTP Event Collector". With acknowledgement a parcel is taken when every
indexer has it, and not when the collector says "Success". The collector knows nothing again that is sent twice:
``phalanx_id`` is an indexed field, so that a search can.
"""

from dataclasses import dataclass, field
from typing import Any

from phalanx.intel.delivery._contract import TAKEN, Answer, Parcel, SinkManifest, later, never
from phalanx.intel.delivery._model import Item
from phalanx.intel.delivery.wire._http import HttpReply, HttpRequest, judged_by_status, plain, to_json

_BUSY = frozenset({8, 9, 18, 20, 23, 24, 25, 26})
# What an administrator mends: tokens, indexes, channels, acknowledgement that is off, a query string.
_TO_MEND = frozenset({1, 2, 3, 4, 7, 10, 11, 14, 16})
_BAD_EVENT = frozenset({5, 6, 12, 13, 15})
_TOO_LARGE = 27


@dataclass(frozen=True, slots=True)
class SplunkHec:
    """``raw`` sends lines to ``/raw``; ``ack`` waits for indexers on ``channel``."""

    index: str = ""
    source: str = "phalanx"
    sourcetype: str = "phalanx"
    channel: str = ""
    raw: bool = False
    ack: bool = False
    manifest: SinkManifest = field(
        default=SinkManifest(
            product="Splunk HEC", effect="at-least-once", known_by="the indexed field phalanx_id (dedup phalanx_id)",
            max_bytes=1_000_000,
        )
    )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        if self.raw:
            line = item.raw.replace("\n", " ").encode() if item.raw else to_json(plain(item))
            return line + b"\n"
        told: dict[str, Any] = {
            "time": round(item.at_ns / 1e9, 6), "host": item.entity("host") or "phalanx", "source": self.source,
            "sourcetype": f"{self.sourcetype}:{item.kind}", "event": plain(item),
            "fields": {"phalanx_id": item.id, "phalanx_kind": item.kind, "severity": item.severity.name.lower()},
        }  # fmt: skip
        if self.index:
            told["index"] = self.index
        return to_json(told)

    def request(self, parcel: Parcel) -> HttpRequest:
        path = "/services/collector/event"
        if self.raw:
            # Metadata of raw lines stands in the query; a channel is required.
            index = f"&index={self.index}" if self.index else ""
            path = f"/services/collector/raw?source={self.source}&sourcetype={self.sourcetype}{index}"
        headers = {"Content-Type": "application/json"}
        if self.channel:
            headers["X-Splunk-Request-Channel"] = self.channel
        return HttpRequest(path, b"".join(parcel.forms), headers, gzip=True)

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer:
        found = reply.json()
        code = found.get("code")
        told = f"HEC code {code}: {found.get('text', '')}"
        if reply.status == 200 and code in {0, None}:
            return TAKEN
        if code == _TOO_LARGE:
            return Answer(split=True)
        if not isinstance(code, int):
            return judged_by_status(reply)
        if code in _BUSY or code in _TO_MEND:
            return later(told, reply.retry_after_s)
        if code in _BAD_EVENT:
            bad = found.get("invalid-event-number")
            if isinstance(bad, int) and 0 <= bad < len(parcel.items) and len(parcel.items) > 1:
                # What stands before it may be indexed already or not: the documents do not say. It is told again.
                return Answer(never=told)
            return never(told)
        return judged_by_status(reply)

    def ack_request(self, ack: int) -> HttpRequest:
        """Asks whether the indexers have it."""
        headers = {"Content-Type": "application/json", "X-Splunk-Request-Channel": self.channel}
        return HttpRequest(f"/services/collector/ack?channel={self.channel}", to_json({"acks": [ack]}), headers)

    @staticmethod
    def ack_of(reply: HttpReply) -> int | None:
        found = reply.json().get("ackId")
        return found if isinstance(found, int) else None

    @staticmethod
    def acked(reply: HttpReply, ack: int) -> bool:
        acks = reply.json().get("acks")
        return reply.status == 200 and isinstance(acks, dict) and acks.get(str(ack)) is True
