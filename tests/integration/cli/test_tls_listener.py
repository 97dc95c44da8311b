"""The HTTP listener behind TLS, spoken to by the command line's own client and looked at by `doctor`."""

import asyncio
import json
import ssl
import urllib.request

import pytest
from click.testing import CliRunner

from phalanx.adapters.tls import POST_QUANTUM_GROUP
from phalanx.cli._client import NodeClient
from phalanx.cli.node._doctor import doctor
from phalanx.cli.node._listener import http_listener
from phalanx.cli.node._serve import _bound_socket
from phalanx.cli.node._tls import listener_tls
from phalanx.core import InvalidInput, Unavailable
from phalanx.node import Settings
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld


async def tells(scope, receive, send):
    """An application that answers with what it sees of the connection."""
    seen = {"scheme": scope["scheme"], "client": scope["client"][0], "path": scope["path"], "size": 0}
    while True:
        message = await receive()
        seen["size"] += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = json.dumps(seen).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def settings_of(folder, **api):
    return Settings.model_validate({"node": {"data_dir": folder}, "api": {"port": 0, **api}})


@pytest.fixture
def served(tmp_path):
    """Runs ``work(url, certificate)`` in a thread, against the application behind a listener of its own."""

    def run(work):
        settings = settings_of(tmp_path, tls_self_signed=True)
        telemetry = Telemetry(SimWorld(1).clock)

        async def main():
            tls = listener_tls(settings)
            tls.count_in(telemetry)
            listener = http_listener(tells, tls)
            with _bound_socket("127.0.0.1", 0) as listening:
                serving = asyncio.ensure_future(listener.serve(sockets=[listening]))
                try:
                    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
                    await asyncio.to_thread(work, url, tmp_path / "keys/tls.crt")
                finally:
                    listener.should_exit = True
                    await serving

        asyncio.run(main())
        return telemetry.metrics.render_openmetrics()

    return run


@pytest.mark.requirement("CRY-1")
def test_the_client_of_the_command_line_agrees_on_a_post_quantum_key(served):
    def work(url, certificate):
        client = NodeClient(url, "", certificate)
        assert client.get("/v1/x") == {"scheme": "https", "client": "127.0.0.1", "path": "/v1/x", "size": 0}
        assert client.post("/v1/y", content=bytes(3_000_000), headers={})["size"] == 3_000_000
        # A client without the group is served too.
        with urllib.request.urlopen(url, context=ssl.create_default_context(cafile=certificate)) as answer:
            assert json.load(answer)["scheme"] == "https"

    metrics = served(work)
    assert f'phalanx_tls_sessions_total{{version="TLSv1.3",group="{POST_QUANTUM_GROUP}"}} 1' in metrics
    assert 'phalanx_tls_sessions_total{version="TLSv1.3",group="x25519"} 1' in metrics


def test_a_certificate_that_nobody_gave_is_not_trusted(served):
    def work(url, certificate):
        with pytest.raises(Unavailable, match="not trusted") as caught:
            NodeClient(url, "").get("/")
        assert "--ca" in caught.value.hint
        # Nor is the right certificate under another name.
        with pytest.raises(Unavailable):
            NodeClient(url.replace("127.0.0.1", "127.0.0.2"), "", certificate).get("/")
        with pytest.raises(InvalidInput, match="no certificates"):
            NodeClient(url, "", certificate.with_name("tls.key"))

    served(work)


def test_doctor_says_what_is_agreed_on(served):
    def work(url, certificate):
        said = CliRunner().invoke(doctor, ["--url", url, "--ca", str(certificate), "--json"])
        found = {check["name"]: check for check in json.loads(said.stdout)}
        (one,) = [check for name, check in found.items() if name.startswith("TLS of")]
        assert one["ok"]
        assert POST_QUANTUM_GROUP in one["found"]
        assert POST_QUANTUM_GROUP in found["TLS listener"]["found"]

    served(work)
    refused = CliRunner().invoke(doctor, ["--url", "http://127.0.0.1:1"])
    assert isinstance(refused.exception, InvalidInput)


def test_tls_is_off_until_it_is_asked_for(tmp_path):
    assert listener_tls(settings_of(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidInput) as caught:
        listener_tls(settings_of(tmp_path, tls_cert=tmp_path / "x.crt"))
    assert caught.value.field == "api.tls_key"
