"""How products behave, after their published protocols: what they take, what they know again, and how they refuse.

They share no code with the forms in ``intel.delivery.wire``.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from phalanx.testing.delivery._server import Asked, Given


def _json(status: int, body: Any) -> Given:
    return Given(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _objects(text: str) -> list[Any]:
    """Concatenated JSON objects, with or without space between them."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        one, at = decoder.raw_decode(text, at)
        found.append(one)
    return found


@dataclass(slots=True)
class SplunkPeer:
    """HTTP Event Collector. ``polls`` is how often an indexer is asked before it has something."""

    token: str = "secret-token"  # noqa: S105 - of a peer in tests
    ack: bool = False
    polls: int = 2
    max_bytes: int = 1_000_000
    kept: list[str] = field(default_factory=list)
    raw_lines: list[str] = field(default_factory=list)
    _acks: dict[int, int] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Given:  # noqa: C901 - one refusal after another, as the collector has them
        """As the collector does; errors with their codes."""
        authorization = asked.headers.get("authorization")
        if authorization is None:
            return self._code(401, 2, "Token is required")
        if not authorization.startswith("Splunk "):
            return self._code(401, 3, "Invalid authorization")
        if authorization != f"Splunk {self.token}":
            return self._code(403, 4, "Invalid token")
        channel = asked.headers.get("x-splunk-request-channel") or asked.query.get("channel")
        if asked.path.endswith("/ack"):
            return self._acked(asked, channel)
        if (self.ack or asked.path.endswith("/raw")) and not channel:
            return self._code(400, 10, "Data channel is missing")
        if not asked.body:
            return self._code(400, 5, "No data")
        if len(asked.body) > self.max_bytes:
            return self._code(413, 27, "Request entity too large")
        if asked.path.endswith("/raw"):
            self.raw_lines += asked.body.decode().splitlines()
            self.kept += [json.loads(line)["phalanx_id"] for line in asked.body.decode().splitlines()]
            return self._taken()
        try:
            events = _objects(asked.body.decode())
        except ValueError:
            return self._code(400, 6, "Invalid data format")
        for number, event in enumerate(events):
            if "event" not in event:
                return self._code(400, 12, "Event field is required", number)
            if event["event"] in ("", {}, None):
                return self._code(400, 13, "Event field cannot be blank", number)
        self.kept += [event["fields"]["phalanx_id"] for event in events]
        return self._taken()

    def _taken(self) -> Given:
        if not self.ack:
            return _json(200, {"text": "Success", "code": 0})
        ack = len(self._acks)
        self._acks[ack] = 0
        return _json(200, {"text": "Success", "code": 0, "ackId": ack})

    def _acked(self, asked: Asked, channel: str | None) -> Given:
        if not self.ack:
            return self._code(400, 14, "ACK is disabled")
        if not channel:
            return self._code(400, 10, "Data channel is missing")
        found = {}
        for ack in json.loads(asked.body)["acks"]:
            self._acks[ack] += 1
            found[str(ack)] = self._acks[ack] >= self.polls
        return _json(200, {"acks": found})

    @staticmethod
    def _code(status: int, code: int, text: str, number: int | None = None) -> Given:
        more = {} if number is None else {"invalid-event-number": number}
        return _json(status, {"text": text, "code": code, **more})


@dataclass(slots=True)
class SentinelPeer:
    """Entra ID's token endpoint and a data collection endpoint, on one address."""

    secret: str = "client-secret"  # noqa: S105 - of a peer in tests
    rule: str = "dcr-1"
    stream: str = "Custom-Phalanx"
    kept: list[str] = field(default_factory=list)
    tokens: int = 0

    def answer(self, asked: Asked) -> Given:
        """A token, or a call of the Logs Ingestion API."""
        if asked.path.endswith("/oauth2/v2.0/token"):
            if f"client_secret={self.secret}" not in asked.body.decode():
                return _json(401, {"error": "invalid_client", "error_description": "AADSTS7000215: wrong secret"})
            self.tokens += 1
            return _json(200, {"access_token": f"token-{self.tokens}", "expires_in": 3599, "token_type": "Bearer"})
        if asked.headers.get("authorization") != f"Bearer token-{self.tokens}" or not self.tokens:
            return _json(401, {"error": {"code": "InvalidToken"}})
        if asked.path != f"/dataCollectionRules/{self.rule}/streams/{self.stream}":
            return _json(404, {"error": {"code": "NotFound"}})
        if asked.query.get("api-version") != "2023-01-01":
            return _json(400, {"error": {"code": "InvalidApiVersion"}})
        if len(asked.body) > 1_048_576:
            return _json(413, {"error": {"code": "ContentLengthLimitExceeded"}})
        rows = json.loads(asked.body)
        if not isinstance(rows, list) or not all("TimeGenerated" in row for row in rows):
            return _json(400, {"error": {"code": "InvalidPayload"}})
        self.kept += [row["PhalanxId"] for row in rows]
        return Given(204)


@dataclass(slots=True)
class SecOpsPeer:
    """Google's token endpoint and the import methods. ``key`` verifies the assertion: a PEM of the public key."""

    key: bytes
    instance: str = "projects/p/locations/eu/instances/i"
    kept: list[str] = field(default_factory=list)
    tokens: int = 0

    def answer(self, asked: Asked) -> Given:
        """A token for a signed assertion, or an import."""
        if asked.path == "/token":
            return self._token(asked.body.decode())
        if not self.tokens or asked.headers.get("authorization") != f"Bearer google-{self.tokens}":
            return _json(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        source = json.loads(asked.body)["inlineSource"]
        if asked.path == f"/v1alpha/{self.instance}/events:import":
            events = [one["udm"] for one in source["events"]]
            if not all(one["metadata"].get("event_timestamp") and one["metadata"].get("event_type") for one in events):
                return _json(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT"}})
            self.kept += [one["metadata"]["product_log_id"] for one in events]
            return _json(200, {})
        if asked.path == f"/v1alpha/{self.instance}/logTypes/PHALANX/logs:import":
            self.kept += [json.loads(base64.b64decode(one["data"]))["phalanx_id"] for one in source["logs"]]
            return _json(200, {})
        return _json(404, {"error": {"code": 404, "status": "NOT_FOUND"}})

    def _token(self, form: str) -> Given:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        assertion = dict(part.partition("=")[::2] for part in form.split("&"))["assertion"]
        signed, _, mac = assertion.rpartition(".")
        key = serialization.load_pem_public_key(self.key)
        assert isinstance(key, rsa.RSAPublicKey)
        try:
            key.verify(base64.urlsafe_b64decode(mac + "=="), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return _json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        self.tokens += 1
        return _json(200, {"access_token": f"google-{self.tokens}", "expires_in": 3600})


@dataclass(slots=True)
class ElasticPeer:
    """``_bulk`` with versions. ``full`` items are refused with 429, ``bad`` titles by the mapping."""

    key: str = "api-key"
    full: int = 0
    bad: str = "unmappable"
    documents: dict[tuple[str, str], tuple[int, dict[str, Any]]] = field(default_factory=dict)

    @property
    def kept(self) -> list[str]:
        return [document["phalanx_id"] for _, document in self.documents.values()]

    @kept.setter
    def kept(self, _: list[str]) -> None:
        self.documents.clear()

    def answer(self, asked: Asked) -> Given:
        """One result for each item."""
        if asked.headers.get("authorization") != f"ApiKey {self.key}":
            return _json(401, {"error": {"type": "security_exception"}, "status": 401})
        if asked.path != "/_bulk" or not asked.body.endswith(b"\n"):
            return _json(400, {"error": {"type": "illegal_argument_exception"}, "status": 400})
        lines = asked.body.decode().splitlines()
        results = [self._one(json.loads(lines[n]), json.loads(lines[n + 1])) for n in range(0, len(lines), 2)]
        errors = any(next(iter(one.values()))["status"] >= 300 for one in results)
        return _json(200, {"took": 1, "errors": errors, "items": results})

    def _one(self, action: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        ((verb, meta),) = action.items()
        place = (meta["_index"], meta["_id"])
        if self.full > 0:
            self.full -= 1
            return {verb: {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "queue"}}}
        if self.bad in document["title"]:
            return {verb: {"status": 400, "error": {"type": "document_parsing_exception", "reason": "bad"}}}
        known = self.documents.get(place)
        version = meta.get("version", 1)
        if known is not None and (verb == "create" or known[0] >= version):
            return {verb: {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "is there"}}}
        self.documents[place] = (version, document)
        return {verb: {"status": 201 if known is None else 200, "_version": version}}


@dataclass(slots=True)
class SoarPeer:
    """Splunk SOAR: containers and artefacts, each known by its identifier."""

    token: str = "ph-token"  # noqa: S105 - of a peer in tests
    kept: list[str] = field(default_factory=list)
    containers: dict[str, int] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Given:
        """Makes one, or names the one that is there."""
        if asked.headers.get("ph-auth-token") != self.token:
            return _json(401, {"failed": True, "message": "Authentication failed"})
        body = json.loads(asked.body)
        ident = body.get("source_data_identifier")
        if not body.get("name") or not body.get("label"):
            return _json(400, {"failed": True, "message": "name and label are required"})
        if asked.path == "/rest/container":
            if ident in self.containers:
                there = {"existing_container_id": self.containers[ident], "failed": True, "message": "duplicate"}
                return _json(400, there)
            self.containers[ident] = len(self.containers) + 1
            return _json(200, {"success": True, "id": self.containers[ident]})
        if body.get("container_id") not in self.containers.values():
            return _json(400, {"failed": True, "message": "no such container"})
        if ident in self.kept:
            there = {"existing_artifact_id": self.kept.index(ident) + 1, "failed": True, "message": "duplicate"}
            return _json(400, there)
        self.kept.append(ident)
        return _json(200, {"success": True, "id": len(self.kept)})


@dataclass(slots=True)
class XsoarPeer:
    """Cortex XSOAR 6, or 8 with ``key_id``."""

    key: str = "xsoar-key"
    key_id: str = ""
    kept: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> Given:
        """Makes an incident of everything."""
        if asked.headers.get("authorization") != self.key or asked.headers.get("x-xdr-auth-id", "") != self.key_id:
            return _json(401, {"detail": "Unauthorized"})
        if asked.path != ("/xsoar/public/v1/incident" if self.key_id else "/incident"):
            return _json(404, {"detail": "not found"})
        body = json.loads(asked.body)
        if not body.get("name"):
            return _json(400, {"detail": "name is required"})
        labels = {one["type"]: one["value"] for one in body["labels"]}
        self.kept.append(labels["phalanx_id"])
        return _json(201, {"id": str(len(self.kept)), "name": body["name"]})


@dataclass(slots=True)
class WebhookPeer:
    """A receiver that checks the signature and takes each idempotency key once."""

    secret: bytes = b"webhook-secret"
    kept: list[str] = field(default_factory=list)
    seen: dict[str, bytes] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Given:
        """200, again for the same key, 422 for the same key with another body."""
        parts = dict(part.partition("=")[::2] for part in asked.headers.get("phalanx-signature", "").split(","))
        wanted = hmac.new(self.secret, f"{parts.get('t', '')}.".encode() + asked.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, parts.get("v1", "")):
            return _json(401, {"error": "the signature does not fit"})
        key = asked.headers.get("idempotency-key", "")
        if not key:
            return _json(400, {"error": "no Idempotency-Key"})
        if key in self.seen:
            return _json(200 if self.seen[key] == asked.body else 422, {})
        self.seen[key] = asked.body
        self.kept += [one["phalanx_id"] for one in json.loads(asked.body)["items"]]
        return _json(200, {})


@dataclass(slots=True)
class PagesPeer:
    """An API that gives items behind a cursor, ``page`` at a time."""

    token: str = "api-token"  # noqa: S105 - of a peer in tests
    page: int = 3
    items: list[dict[str, Any]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> Given:
        """Items behind ``after``."""
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return _json(401, {"error": "who are you?"})
        start = int(asked.query.get("after", 0))
        found = self.items[start : start + self.page]
        return _json(200, {"items": found, "next": str(start + len(found))})
