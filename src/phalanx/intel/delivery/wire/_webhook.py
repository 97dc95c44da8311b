"""A webhook of anybody's: signed, under an idempotency key, so that a receiver takes a parcel once.

``Phalanx-Signature: t=SECONDS,v1=HEX`` is the HMAC-SHA-256 of ``SECONDS.BODY``. ``Idempotency-Key`` is the parcel's:
the same key always comes with the same body. 409 means that the first one is still being worked on, 422 that the key
was seen with another body.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from phalanx.core import InvalidInput
from phalanx.intel.delivery._contract import Answer, Parcel, SinkManifest
from phalanx.intel.delivery._model import Item
from phalanx.intel.delivery.wire._http import HttpReply, HttpRequest, judged_by_status, plain, to_json

SIGNATURE = "Phalanx-Signature"
IDEMPOTENCY = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Bodies ``{"items": […]}``."""

    gzip: bool = False
    manifest: SinkManifest = field(
        default=SinkManifest(
            product="webhook", effect="once", known_by="the header Idempotency-Key, and phalanx_id of each item",
            max_items=500, max_bytes=1_000_000, parcel_key=True,
        )
    )  # fmt: skip

    def encode(self, item: Item) -> bytes:
        return to_json(plain(item) | ({"raw": item.raw} if item.raw else {}))

    def request(self, parcel: Parcel) -> HttpRequest:
        body = b'{"items":[' + b",".join(parcel.forms) + b"]}"
        headers = {"Content-Type": "application/json", IDEMPOTENCY: parcel.key}
        return HttpRequest("", body, headers, gzip=self.gzip)

    def judge(self, parcel: Parcel, reply: HttpReply) -> Answer:  # noqa: ARG002 - the same for all products
        return judged_by_status(reply)


def signature(secret: bytes, body: bytes, at_s: int) -> str:
    """What the header says."""
    return f"t={at_s},v1={_mac(secret, body, at_s)}"


def check_signature(secret: bytes, body: bytes, header: str, *, now_s: int, tolerance_s: int = 300) -> None:
    """For receivers: raises ``InvalidInput`` when the body is not what was signed, or was signed long ago."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    at = parts.get("t", "")
    if not at.isascii() or not at.isdecimal() or abs(now_s - int(at)) > tolerance_s:
        raise InvalidInput(SIGNATURE, "it was not signed just now")
    if not hmac.compare_digest(_mac(secret, body, int(at)), parts.get("v1", "")):
        raise InvalidInput(SIGNATURE, "it does not fit the body")


def _mac(secret: bytes, body: bytes, at_s: int) -> str:
    return hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
