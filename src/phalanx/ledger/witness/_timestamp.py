"""RFC 3161 timestamps of checkpoints: an authority outside says that a root existed at a time.

What is stamped is the text of a checkpoint's note (origin, size, root), hashed with SHA-256. A
token counts once its status is *granted*, its nonce is the one that was sent, its imprint is of
that text, and its certificates lead to a root that the settings trust and were all valid when it
was made. The library checks the CMS signature; needs the extra ``timestamps``.
"""

import base64
import datetime as dt
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    AlertLevel,
    AlertSink,
    Clock,
    HttpCaller,
    InvalidInput,
    LimitExceeded,
    Put,
    Record,
    Store,
    Table,
    Unavailable,
    decode,
    derive_id,
    encode,
)
from phalanx.ledger._checkpoint import Checkpoint
from phalanx.ledger._note import parse_note
from phalanx.ledger.witness._errors import TimestampRefused
from phalanx.ledger.witness._limits import ANSWER_WITHIN_S, MAX_TOKEN_BYTES
from phalanx.ledger.witness._own import OwnLog
from phalanx.telemetry import Telemetry

if TYPE_CHECKING:
    from cryptography import x509

TIMESTAMPS = Table("ledger_timestamps")
_HOME = DEFAULT_TENANT
_GRANTED = 0


class Timestamp(Record, frozen=True, kw_only=True, tag="timestamp"):
    """The authority's answer for one checkpoint, and the certificates it was checked against (DER)."""

    size: int
    token: bytes
    roots: tuple[bytes, ...]
    stamped_at_s: int


@dataclass(frozen=True, slots=True)
class Stamped:
    """When an authority says that something existed; ``roots`` are the SHA-256 of the trusted certificates."""

    at_s: int
    roots: tuple[str, ...]


def verify_timestamp(token: bytes, text: str, roots_pem: str) -> Stamped:
    """That ``token`` is an answer for ``text``; raises ``TimestampRefused``, ``Unavailable`` without the extra."""
    client = _library()
    roots = read_roots(roots_pem)
    builder = client.VerifierBuilder(roots=list(roots))
    return _verified(client, builder, token, text, roots)


def read_roots(pem: str) -> "Sequence[x509.Certificate]":
    """Trusted certificates from PEM; raises ``InvalidInput``."""
    from cryptography import x509

    try:
        roots = x509.load_pem_x509_certificates(pem.encode())
        for root in roots:
            if root.issuer == root.subject:
                # Nothing follows from it, but it leaves no byte of a certificate unchecked.
                root.verify_directly_issued_by(root)
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InvalidInput("certificates of the timestamp authority", reason) from error
    return roots


class Timestamps:
    """Has the newest checkpoint stamped now and then, and keeps the tokens."""

    def __init__(
        self,
        own: OwnLog,
        store: Store,
        *,
        url: str,
        roots_pem: str,
        every_s: float,
        calls: HttpCaller,
        clock: Clock,
        telemetry: Telemetry,
        alerts: AlertSink,
    ) -> None:
        """Raises ``Unavailable`` without the extra and ``InvalidInput`` for certificates that are none."""
        _library()
        read_roots(roots_pem)
        self._own = own
        self._store = store
        self._url = url
        self._roots_pem = roots_pem
        self._every_s = every_s
        self._calls = calls
        self._clock = clock
        self._alerts = alerts
        self._log = telemetry.log.bind(room="ledger", authority=url)
        self._stamped = telemetry.metrics.counter("phalanx_ledger_timestamps_total", "Checkpoints timestamped.")
        self._failing = False

    async def run(self) -> None:
        """Stamp for as long as the node runs."""
        while True:
            await self.round()
            await self._clock.sleep(self._every_s)

    async def round(self) -> None:
        """Stamp the log as it is now, unless its size was stamped before."""
        if not self._own.size:
            return
        checkpoint = await self._own.checkpoint()
        newest = await self._store.scan(TIMESTAMPS, _HOME, reverse=True, limit=1)
        if newest and newest[0].key == timestamp_key(checkpoint.size):
            return
        try:
            await self.stamp(checkpoint)
        except (TimestampRefused, Unavailable, LimitExceeded) as error:
            self._log.info("no timestamp", size=checkpoint.size, reason=error.message)
            if not self._failing:
                self._alerts.alert(AlertLevel.WARNING, "ledger", "the timestamp authority fails", reason=error.message)
            self._failing = True
        else:
            self._failing = False

    async def stamp(self, checkpoint: Checkpoint) -> Timestamp:
        """Have one checkpoint stamped; raises ``TimestampRefused`` or ``Unavailable``, and then nothing is kept."""
        from cryptography.hazmat.primitives.serialization import Encoding

        client = _library()
        text = parse_note(checkpoint.note).text
        request = (
            client.TimestampRequestBuilder()
            .data(text.encode())
            .hash_algorithm(client.HashAlgorithm.SHA256)
            .cert_request(cert_request=True)
            .build()
        )
        answer = await self._calls.post(
            self._url,
            request.as_bytes(),
            content_type="application/timestamp-query",
            max_bytes=MAX_TOKEN_BYTES,
            within_s=ANSWER_WITHIN_S,
        )
        if answer.status != 200:
            raise TimestampRefused(f"the authority answered with HTTP {answer.status}")
        roots = read_roots(self._roots_pem)
        builder = client.VerifierBuilder(roots=list(roots), nonce=request.nonce)
        stamped = _verified(client, builder, answer.body, text, roots)
        ders = tuple(root.public_bytes(Encoding.DER) for root in roots)
        made = timestamp(checkpoint.origin, checkpoint.size, answer.body, ders, stamped.at_s)
        await self._store.commit([Put(TIMESTAMPS, _HOME, timestamp_key(made.size), encode(made))])
        self._stamped.inc()
        return made


def timestamp(origin: str, size: int, token: bytes, roots: tuple[bytes, ...], at_s: int) -> Timestamp:
    """The record of an answer: it follows from the answer and the certificates alone."""
    at_ns = at_s * NS_PER_S
    return Timestamp(
        id=derive_id(at_ns, "timestamp", origin, str(size)),
        tenant=_HOME,
        trace=NO_TRACE,
        at_ns=at_ns,
        size=size,
        token=token,
        roots=roots,
        stamped_at_s=at_s,
    )


def as_pem(der: bytes) -> str:
    """A certificate as a text that many of can stand in one file."""
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def timestamp_key(size: int) -> str:
    # As many digits as 2^63 has, so that keys order as sizes do.
    return f"{size:019d}"


class StampedSizes:
    """The tokens that were kept, for those who hand them on; works also when stamping is off."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def first_covering(self, index: int) -> Timestamp | None:
        """The earliest token of a checkpoint that the entry ``index`` is in."""
        rows = await self._store.scan(TIMESTAMPS, _HOME, after=timestamp_key(index), limit=1)
        return decode(rows[0].value, Timestamp) if rows else None


def _verified(
    client: ModuleType,
    builder: Any,
    token: bytes,
    text: str,
    roots: "Sequence[x509.Certificate]",
) -> Stamped:
    from cryptography.hazmat.primitives import hashes

    try:
        response = client.decode_timestamp_response(token)
        if response.status != _GRANTED:
            said = "; ".join(response.status_string) or "no reason given"
            raise TimestampRefused(f"the authority's status is {response.status}, not granted: {said}")
        builder.build().verify_message(response, text.encode())
        at: dt.datetime = response.tst_info.gen_time
    except TimestampRefused:
        raise
    except Exception as error:
        raise TimestampRefused(str(error) or type(error).__name__) from error
    return Stamped(int(at.timestamp()), tuple(root.fingerprint(hashes.SHA256()).hex() for root in roots))


def _library() -> ModuleType:
    try:
        return importlib.import_module("rfc3161_client")
    except ImportError as error:
        hint = "install it: pip install 'phalanx[timestamps]'"
        raise Unavailable("timestamping", str(error), hint=hint) from error
