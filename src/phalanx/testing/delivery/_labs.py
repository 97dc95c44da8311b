"""Built-in sinks against peers that behave as their products do: for the contract suite and for benchmarks."""

import contextlib
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.connectors import (
    elastic_sink,
    secops_sink,
    sentinel_sink,
    splunk_hec_sink,
    splunk_soar_sink,
    syslog_leef_sink,
    webhook_sink,
    xsoar_sink,
)
from phalanx.adapters.tls import self_signed_files
from phalanx.intel.delivery import ConnectorContext, Sink
from phalanx.testing._real import wait_until
from phalanx.testing.delivery._products import (
    ElasticPeer,
    SecOpsPeer,
    SentinelPeer,
    SoarPeer,
    SplunkPeer,
    WebhookPeer,
    XsoarPeer,
)
from phalanx.testing.delivery._server import PeerServer, Product
from phalanx.testing.delivery._syslog import SyslogPeer

Made = Callable[[ConnectorContext], Sink]


def context_of(
    folder: Path, options: Mapping[str, str], secrets: Mapping[str, bytes] | None = None, *, name: str = "out"
) -> ConnectorContext:
    """What a connector is made from, with secrets in memory."""
    known = secrets or {}
    return ConnectorContext(
        name=name, where=f"sinks.{name}", node="n1", options=options, data_dir=folder, clock=SystemClock(),
        entropy=OsEntropy(), offload=ThreadOffload(1), secret=lambda wanted: known[wanted],
    )  # fmt: skip


class HttpLab:
    """A sink over HTTP and its product; implements ``contracts.SinkLab``."""

    def __init__(
        self, server: PeerServer, made: Made, folder: Path, options: Mapping[str, str], secrets: Mapping[str, bytes]
    ) -> None:
        self.server = server
        self.secret = next(iter(secrets.values())).decode()
        self._made = made
        self._context = context_of(folder, {"timeout_s": "5", **options}, secrets)

    async def open(self) -> Sink:
        return self._made(self._context)

    async def kept(self, at_least: int) -> Sequence[str]:  # noqa: ARG002 - an answer comes after what it tells of
        return list(self.server.product.kept)

    def trouble(self, what: str) -> bool:
        self.server.trouble.append(what)
        return True


class SyslogLab:
    """The syslog sink and its server. Syslog answers nothing, so its peer can only be gone."""

    secret = "no-secret-at-all"  # noqa: S105 - it has none

    def __init__(self, peer: SyslogPeer, folder: Path, options: Mapping[str, str]) -> None:
        self.peer = peer
        self._context = context_of(folder, options)

    async def open(self) -> Sink:
        return syslog_leef_sink(self._context)

    async def kept(self, at_least: int) -> Sequence[str]:
        await wait_until(lambda: len(self.peer.lines) >= at_least)
        return self.peer.kept

    def trouble(self, what: str) -> bool:
        if what not in {"silent", "cut"}:
            return False
        self.peer.cut()
        self.peer.trouble.append("silent")
        return True


Lab = HttpLab | SyslogLab
OpenLab = Callable[[Path], AbstractContextManager[Lab]]


def service_account(token_url: str) -> tuple[bytes, bytes]:
    """A public key (PEM) and the key file of a service account that asks for tokens at ``token_url``."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65_537, 2_048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    account = {"client_email": "sa@p.iam", "private_key": pem.decode(), "token_uri": token_url}
    return public, json.dumps(account).encode()


def _http(product: Callable[[], Product], made: Made, options: Mapping[str, str], secret: tuple[str, str]) -> OpenLab:
    @contextlib.contextmanager
    def opened(folder: Path) -> Iterator[Lab]:
        with PeerServer(product()) as server:
            yield HttpLab(server, made, folder, {"url": server.url, **options}, {secret[0]: secret[1].encode()})

    return opened


@contextlib.contextmanager
def _sentinel(folder: Path) -> Iterator[Lab]:
    with PeerServer(SentinelPeer()) as server:
        options = {
            "url": server.url, "authority": server.url, "rule": "dcr-1", "stream": "Custom-Phalanx", "directory": "d",
            "client": "c",
        }  # fmt: skip
        yield HttpLab(server, sentinel_sink, folder, options, {"client_secret": b"client-secret"})


def _secops(options: Mapping[str, str]) -> OpenLab:
    @contextlib.contextmanager
    def opened(folder: Path) -> Iterator[Lab]:
        product = SecOpsPeer(b"")
        with PeerServer(product) as server:
            product.key, account = service_account(f"{server.url}/token")
            known = {"url": server.url, "project": "p", "location": "eu", "instance": "i", **options}
            lab = HttpLab(server, secops_sink, folder, known, {"key": account})
            lab.secret = json.loads(account)["private_key"].splitlines()[3]
            yield lab

    return opened


@contextlib.contextmanager
def _qradar(folder: Path) -> Iterator[Lab]:
    certificate, key = self_signed_files(folder, ("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with SyslogPeer(context) as peer:
        yield SyslogLab(peer, folder, {"host": "127.0.0.1", "port": str(peer.port), "ca_file": str(certificate)})


SINK_LABS: Mapping[str, OpenLab] = {
    "splunk-hec": _http(SplunkPeer, splunk_hec_sink, {}, ("token", "secret-token")),
    "splunk-hec-raw": _http(SplunkPeer, splunk_hec_sink, {"mode": "raw"}, ("token", "secret-token")),
    "splunk-hec-ack": _http(lambda: SplunkPeer(ack=True), splunk_hec_sink, {"ack": "yes"}, ("token", "secret-token")),
    "sentinel": _sentinel,
    "secops-udm": _secops({}),
    "secops-logs": _secops({"mode": "logs", "log_type": "PHALANX"}),
    "elastic": _http(ElasticPeer, elastic_sink, {}, ("api_key", "api-key")),
    "splunk-soar": _http(SoarPeer, splunk_soar_sink, {}, ("token", "ph-token")),
    "xsoar-6": _http(XsoarPeer, xsoar_sink, {}, ("key", "xsoar-key")),
    "xsoar-8": _http(lambda: XsoarPeer(key_id="7"), xsoar_sink, {"key_id": "7"}, ("key", "xsoar-key")),
    "webhook": _http(WebhookPeer, webhook_sink, {}, ("secret", "webhook-secret")),
    "webhook-gzip": _http(WebhookPeer, webhook_sink, {"compress": "yes"}, ("secret", "webhook-secret")),
    "qradar": _qradar,
}
