"""A real RFC 3161 authority: OpenSSL's, behind a small HTTP server, with certificates made for the test."""

import datetime as dt
import http.server
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry, HttpAnswer, derive_id
from phalanx.crypto import HybridSigner, SigningKey
from phalanx.ledger import Anchors, Ledger, Unsealed
from phalanx.ledger.evidence import CaseIndex, Evidence
from phalanx.ledger.witness import Cosigner, Timestamps, TrustedLog, Witness, Witnesses, WitnessPeer
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import SimWorld

CONFIG = """\
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:1
ess_cert_id_chain = no
"""


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, *, days, ca):
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=30))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def write_authority(folder, *, ca_days=365, digests="sha256"):
    """Key, certificate and configuration of an authority; returns its CA as PEM."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("Test CA", ca_key, "Test CA", ca_key, days=ca_days, ca=True)
    tsa = certificate("Test TSA", key, "Test CA", ca_key, days=365, ca=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "tsa.pem").write_bytes(tsa.public_bytes(pem))
    (folder / "tsa.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "serial").write_text("01")
    (folder / "tsa.conf").write_text(CONFIG.format(folder=folder, digests=digests))
    return ca.public_bytes(pem).decode()


@dataclass
class Authority:
    """Answers queries; ``replay`` answers with what it answered first, ``status`` with an HTTP error."""

    folder: Path
    roots: str
    replay: bool = False
    status: int = 200
    answers: list = field(default_factory=list)
    url: str = ""

    def reply(self, query):
        if self.replay and self.answers:
            return self.answers[0]
        (self.folder / "query.tsq").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-queryfile", "query.tsq", "-out", "reply.tsr", "-config", "tsa.conf"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=30)
        self.answers.append((self.folder / "reply.tsr").read_bytes())
        return self.answers[-1]


@pytest.fixture
def authority(tmp_path):
    """Starts authorities: ``authority(ca_days=…, digests=…)``."""
    servers = []

    def start(**options):
        folder = tmp_path / f"tsa{len(servers)}"
        made = Authority(folder, write_authority(folder, **options))

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/timestamp-query"
                body = made.reply(query) if made.status == 200 else b""
                self.send_response(made.status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        made.url = f"http://127.0.0.1:{server.server_address[1]}/tsa"
        return made

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


ANCHOR_KEY = SigningKey.generate("SLH-DSA-SHA2-128f")


class AtOnce:
    """Calls that are answered in the same process: by the authority, and by the witness."""

    def __init__(self, tsa, witness):
        self.tsa = tsa
        self.witness = witness

    async def post(self, url, body, *, content_type, max_bytes, within_s):
        if url == "http://tsa":
            return HttpAnswer(200, "application/timestamp-reply", self.tsa.reply(body))
        return HttpAnswer(200, "text/plain", (await self.witness.add_checkpoint(body)).encode())


def make_everything(folder):
    tsa = Authority(folder / "tsa", write_authority(folder / "tsa"))
    signer, cosigner = HybridSigner.generate(), Cosigner(HybridSigner.generate())

    async def main(world):
        telemetry, store, clock = Telemetry(world.clock), world.store("disk"), world.clock
        ledger = await Ledger.open(
            await world.journals("disk").open("ledger"), store, signer,
            clock=clock, telemetry=telemetry, entropy=world.entropy, offload=world.offload, sealers=Unsealed(),
        )  # fmt: skip

        async def saw(log, note, extends=None):
            pass

        log = TrustedLog.of(ledger.origin, ledger.public_key)
        witness = Witness(world.store("w"), cosigner, [log], clock=clock, telemetry=Telemetry(world.clock), on_seen=saw)
        calls, alerts = AtOnce(tsa, witness), Alerts(telemetry)
        witnesses = Witnesses(
            ledger, store, [WitnessPeer(cosigner.keys, "http://w")], quorum=0,
            calls=calls, clock=clock, telemetry=telemetry, alerts=alerts,
        )  # fmt: skip
        stamps = Timestamps(
            ledger, store, url="http://tsa", roots_pem=tsa.roots, every_s=60,
            calls=calls, clock=clock, telemetry=telemetry, alerts=alerts,
        )  # fmt: skip
        anchors = Anchors(store, world.offload, clock)
        await anchors.announce(ANCHOR_KEY.public, ledger)
        for number in range(11):
            await ledger.record(
                AuditEntry(
                    id=derive_id(1, "test", str(number)), tenant=DEFAULT_TENANT, trace=NO_TRACE,
                    at_ns=1_767_225_600 * 10**9 + number, actor="policy", action="approved", subject=str(number),
                    case=f"host-{number % 3}", body={"text": "ä\u202e", "n": number}, custody=("collector",),
                )
            )  # fmt: skip
            if number in {3, 9}:
                await stamps.stamp(await ledger.checkpoint())
        await anchors.sign(ANCHOR_KEY, await ledger.signed(11), "2026-01-01")
        await witnesses.round()
        evidence = Evidence(ledger, witnesses, store, CaseIndex(ledger, store, signer, clock))
        return await evidence.export(DEFAULT_TENANT, "host-0")

    return SimWorld(1).run(main), tsa.folder / "ca.pem"


@pytest.fixture(scope="session")
def everything(tmp_path_factory):
    """A bundle with a cosigned checkpoint, two timestamps and payloads, and the authority's certificate."""
    return make_everything(tmp_path_factory.mktemp("everything"))
