"""What the wrappers' keys lie in, one of each kind per test."""

import base64
import json
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phalanx.adapters import OsEntropy
from phalanx.adapters.keys import FileWrapper, KeyringWrapper, Pkcs11Wrapper, TransitWrapper
from phalanx.crypto.vault import PassphraseWrapper
from phalanx.testing import InlineOffload, MemoryWrapper

ENTROPY = OsEntropy()
OFFLOAD = InlineOffload()
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234-5678"
# Enough to go through Argon2id, little enough to do it hundreds of times.
CHEAP = {"memory_kib": 64, "passes": 1, "lanes": 1}


TOKEN = "hvs.a-token-of-the-tests"


class TransitServer:
    """A key server that behaves as HashiCorp Vault's Transit does, as far as a client can tell; it is not one.

    Real HTTP on a free port while entered; AES-256-GCM with key versions; errors with the statuses
    and in the form that the API documents. ``trouble`` are answers to give before it works again.
    """

    token = TOKEN

    def __init__(self, *, knows_associated_data=True):
        self.keys = {}
        self.trouble = []
        self.asked = []
        self.sealed = False
        self.policy = {"encrypt", "decrypt"}
        self.knows_associated_data = knows_associated_data
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer, headers = server.answer(self.path, dict(self.headers), body)
                raw = json.dumps(answer).encode() if isinstance(answer, dict) else answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def rotate(self, key):
        self.keys.setdefault(key, []).append(os.urandom(32))

    def answer(self, path, headers, body):
        self.asked.append(path)
        if self.trouble:
            return self.trouble.pop(0)
        if self.sealed:
            return refused(503, "Vault is sealed")
        if headers.get("X-Vault-Token") != TOKEN:
            return refused(403, "permission denied", "invalid token")
        _, version, mount, operation, key = path.split("/")
        if (version, mount) != ("v1", "transit"):
            return refused(404, f"no handler for route {mount}/{operation}/{key}. route entry not found.")
        if operation not in self.policy:
            return refused(403, "1 error occurred:\n\t* permission denied\n\n")
        aad = base64.b64decode(body.get("associated_data", "")) if self.knows_associated_data else b""
        return self.encrypt(key, body, aad) if operation == "encrypt" else self.decrypt(key, body, aad)

    def encrypt(self, key, body, aad):
        if key not in self.keys:
            self.rotate(key)  # as with the capability `create`
        nonce = os.urandom(12)
        sealed = AESGCM(self.keys[key][-1]).encrypt(nonce, base64.b64decode(body["plaintext"]), aad)
        version = len(self.keys[key])
        text = f"vault:v{version}:{base64.b64encode(nonce + sealed).decode()}"
        return 200, {"data": {"ciphertext": text, "key_version": version}}, {}

    def decrypt(self, key, body, aad):
        if key not in self.keys:
            return refused(400, "encryption key not found")
        try:
            vault, version, text = body["ciphertext"].split(":")
            assert vault == "vault"
            number = int(version.removeprefix("v"))
            raw = base64.b64decode(text, validate=True)
        except (ValueError, AssertionError):
            return refused(400, "invalid ciphertext: no prefix")
        if not 1 <= number <= len(self.keys[key]):
            return refused(400, "invalid ciphertext: version is too new")
        try:
            opened = AESGCM(self.keys[key][number - 1]).decrypt(raw[:12], raw[12:], aad)
        except (InvalidTag, ValueError):
            return refused(400, "cipher: message authentication failed")
        return 200, {"data": {"plaintext": base64.b64encode(opened).decode()}}, {}


def refused(status, *errors, **headers):
    return status, {"errors": list(errors)}, headers


@pytest.fixture
def memory():
    made = [MemoryWrapper(ENTROPY), MemoryWrapper(ENTROPY)]
    return [lambda one=one: one for one in made]


@pytest.fixture
def passphrase():
    return [
        lambda text=text: PassphraseWrapper(text, entropy=ENTROPY, offload=OFFLOAD, **CHEAP)
        for text in (b"correct horse battery", b"correct horse batterx")
    ]


@pytest.fixture
def file(tmp_path):
    return [lambda n=n: FileWrapper(tmp_path / f"{n}" / "root.key", ENTROPY) for n in range(2)]


@pytest.fixture
def keyring():
    import keyring.backend

    class Memory(keyring.backend.KeyringBackend):
        """A backend of the library's own kind that needs no session and no disk."""

        priority = 1

        def __init__(self):
            super().__init__()
            self.entries = {}

        def get_password(self, service, username):
            return self.entries.get((service, username))

        def set_password(self, service, username, password):
            self.entries[service, username] = password

        def delete_password(self, service, username):
            del self.entries[service, username]

    backend = Memory()
    return [
        lambda n=n: KeyringWrapper("phalanx", f"root {n}", entropy=ENTROPY, offload=OFFLOAD, backend=backend)
        for n in range(2)
    ]


@pytest.fixture
def make_transit_server():
    return TransitServer


@pytest.fixture
def transit_server():
    with TransitServer() as server:
        yield server


@pytest.fixture
def transit(transit_server):
    return [
        lambda n=n: TransitWrapper(
            transit_server.url, TOKEN.encode(), key=f"phalanx {n}", offload=OFFLOAD, pause_s=0.001
        )
        for n in range(2)
    ]


@pytest.fixture
def softhsm(tmp_path, monkeypatch):
    """A folder of tokens of SoftHSM; gives a function that makes one."""
    if shutil.which("softhsm2-util") is None or not SOFTHSM.exists():
        pytest.skip("SoftHSM is not installed (Debian package: softhsm2)")
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    conf = tmp_path / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(conf))

    def make(label):
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "so-4321"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    make.folder = tokens
    return make


@pytest.fixture
def pkcs11(softhsm):
    softhsm("first")
    softhsm("second")
    return [
        lambda label=label: Pkcs11Wrapper(str(SOFTHSM), label, PIN.encode(), entropy=ENTROPY, offload=OFFLOAD)
        for label in ("first", "second")
    ]
