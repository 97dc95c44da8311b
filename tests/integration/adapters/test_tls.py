"""A listener's TLS against real clients of two libraries, on both event loops, and against those who mean ill."""

import asyncio
import contextlib
import gc
import socket
import ssl
from dataclasses import dataclass, field

import pytest
import uvloop
from OpenSSL import SSL
from OpenSSL._util import lib

from phalanx.adapters.tls import (
    POST_QUANTUM_GROUP,
    PostQuantumContext,
    best_group,
    probe_tls,
    self_signed_files,
    tls_server_context,
)
from phalanx.core import InvalidInput, StorageCorrupt, Unavailable

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return self_signed_files(tmp_path_factory.mktemp("tls") / "keys", ["node.example"])


async def until(met):
    """Wait for what other tasks and threads bring about."""
    while not met():  # noqa: ASYNC110 - what is waited for is not ours to signal
        await asyncio.sleep(0)


class Echo(asyncio.Protocol):
    """Sends back what comes, and notes when it is told to stop writing."""

    def __init__(self, listener):
        self.listener = listener

    def connection_made(self, transport):
        self.transport = transport
        self.listener.connections.append(self)

    def data_received(self, data):
        if data.startswith(b"flood"):
            self.left = int(data[5:])
            self.flood()
        elif data == b"bye":
            self.transport.close()
        else:
            self.transport.write(data)

    def flood(self):
        while self.left and self.listener.paused == self.listener.resumed:
            piece = min(self.left, 1 << 16)
            self.left -= piece
            self.transport.write(bytes(piece))

    def pause_writing(self):
        self.listener.paused += 1

    def resume_writing(self):
        self.listener.resumed += 1
        self.flood()

    def connection_lost(self, error):
        self.listener.lost.append(error)


@dataclass
class Listener:
    context: ssl.SSLContext
    port: int = 0
    connections: list = field(default_factory=list)
    lost: list = field(default_factory=list)
    sessions: list = field(default_factory=list)
    paused: int = 0
    resumed: int = 0


@pytest.fixture(params=LOOPS)
def on_listener(request, files):
    """Runs ``work(listener)`` beside an echoing listener; blocking clients go through ``asyncio.to_thread``."""

    def run(work, *, max_handshakes=512, handshake_s=10.0, context=None):
        async def main():
            made = context or tls_server_context(*files)
            listener = Listener(made)
            if isinstance(made, PostQuantumContext):
                made.prepare(made.openssl, max_handshakes=max_handshakes)
                made.on_session = listener.sessions.append
            server = await asyncio.get_running_loop().create_server(
                lambda: Echo(listener), "127.0.0.1", 0, ssl=made, ssl_handshake_timeout=handshake_s,
                ssl_shutdown_timeout=1.0,
            )  # fmt: skip
            listener.port = server.sockets[0].getsockname()[1]
            try:
                await asyncio.wait_for(work(listener), 30)
            finally:
                server.close()
                for one in listener.connections:
                    one.transport.abort()
                await server.wait_closed()

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(main())

    return run


class Client:
    """A pyOpenSSL client that offers the given groups and nothing else."""

    def __init__(self, port, groups, ca, *, maximum=None):
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_verify(SSL.VERIFY_PEER, lambda *said: bool(said[-1]))
        context.load_verify_locations(str(ca))
        if maximum:
            context.set_max_proto_version(maximum)
        assert lib.SSL_CTX_set1_curves_list(context._context, groups.encode()) == 1
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setblocking(True)
        self.connection = SSL.Connection(context, self.socket)
        self.connection.set_connect_state()

    def __enter__(self):
        try:
            self.connection.do_handshake()
        except SSL.Error:
            self.socket.close()
            raise
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, data, n_bytes=None):
        self.connection.sendall(data)
        back = b""
        while len(back) < (n_bytes or len(data)):
            back += self.connection.recv(1 << 16)
        return back


def stdlib_client(ca):
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = True
    return context


@pytest.mark.requirement("CRY-1")
def test_a_client_that_does_nothing_but_post_quantum_is_served(on_listener, files):
    async def work(listener):
        def talk():
            with Client(listener.port, POST_QUANTUM_GROUP, files[0]) as client:
                payload = bytes(range(256)) * 8_192
                assert client.ask(payload) == payload
                return client.connection.get_group_name()

        assert await asyncio.to_thread(talk) == POST_QUANTUM_GROUP
        assert [(one.version, one.group, one.quantum_safe) for one in listener.sessions] == [
            ("TLSv1.3", POST_QUANTUM_GROUP, True)
        ]
        transport = listener.connections[0].transport
        assert transport.get_extra_info("sslcontext") is listener.context
        assert transport.get_extra_info("cipher")[1] == "TLSv1.3"

    on_listener(work)


def test_the_post_quantum_group_wins_over_a_cheaper_offer(on_listener, files):
    async def work(listener):
        def talk():
            # X25519 first, and the only key share sent: it takes a hello-retry-request to get the better one.
            with Client(listener.port, f"X25519:{POST_QUANTUM_GROUP}", files[0]) as client:
                client.ask(b"hello")
                return client.connection.get_group_name()

        assert await asyncio.to_thread(talk) == POST_QUANTUM_GROUP

    on_listener(work)


def test_a_client_of_the_standard_library_is_served(on_listener, files):
    async def work(listener):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=stdlib_client(files[0]), server_hostname="node.example"
        )
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        assert listener.sessions[0].group == "x25519"
        assert not listener.sessions[0].quantum_safe

    on_listener(work)


def test_an_old_version_is_refused(on_listener, files):
    async def work(listener):
        def talk():
            with pytest.raises(SSL.Error), Client(listener.port, "X25519", files[0], maximum=SSL.TLS1_2_VERSION):
                pass

        await asyncio.to_thread(talk)
        assert listener.sessions == []

    on_listener(work)


def test_silence_ends_and_makes_room(on_listener, files):
    async def work(listener):
        silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(20)]

        def talk():
            with Client(listener.port, POST_QUANTUM_GROUP, files[0]) as client:
                return client.ask(b"hello")

        assert await asyncio.to_thread(talk) == b"hello"
        assert listener.context.half_open <= 4
        # One that began before it gave way cannot go on.
        for reader, _ in silent:
            assert await reader.read() == b""
        assert len(listener.connections) == 1
        for _, writer in silent:
            writer.close()

    on_listener(work, max_handshakes=4, handshake_s=0.3)


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xff" + bytes(range(255)), b"\x80" * 9_000]
)
def test_what_is_no_handshake_ends_that_connection_alone(on_listener, files, first):
    async def work(listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(first)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

        def talk():
            with Client(listener.port, POST_QUANTUM_GROUP, files[0]) as client:
                return client.ask(b"hello")

        assert await asyncio.to_thread(talk) == b"hello"
        assert len(listener.connections) == 1
        assert listener.context.half_open == 0

    on_listener(work)


def test_a_handshake_cut_anywhere_leaves_nothing_behind(on_listener, files):
    hello = _client_hello()

    async def work(listener):
        for cut in range(1, len(hello), 97):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(hello[:cut])
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
        assert listener.connections == []
        del reader, writer
        # The loop's own objects refer to each other; when they go, the handshake does.
        await until(lambda: gc.collect() >= 0 and listener.context.half_open == 0)

    on_listener(work)


def test_changed_records_end_the_connection(on_listener, files):
    async def work(listener):
        def talk():
            with Client(listener.port, POST_QUANTUM_GROUP, files[0]) as client:
                client.ask(b"hello")
                client.socket.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                with pytest.raises(SSL.Error):
                    client.ask(b"", 1)

        await asyncio.to_thread(talk)
        await until(lambda: listener.lost)

    on_listener(work)


def test_a_reader_that_does_not_read_stops_the_writer(on_listener, files):
    async def work(listener):
        n_bytes = 24 << 20
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        def talk():
            with Client(listener.port, POST_QUANTUM_GROUP, files[0]) as client:
                client.connection.sendall(b"flood%d" % n_bytes)
                asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
                left = n_bytes
                while left:
                    left -= len(client.connection.recv(1 << 16))

        talking = asyncio.ensure_future(asyncio.to_thread(talk))
        await until(lambda: listener.paused)
        assert listener.resumed == 0
        assert listener.connections[0].left > n_bytes // 2
        gate.set()
        await talking
        await until(lambda: listener.resumed == listener.paused)

    on_listener(work)


def test_both_ends_say_goodbye(on_listener, files):
    async def work(listener):
        def talk():
            with Client(listener.port, POST_QUANTUM_GROUP, files[0]) as client:
                client.connection.sendall(b"bye")
                with pytest.raises(SSL.ZeroReturnError):
                    client.connection.recv(1)
            with Client(listener.port, POST_QUANTUM_GROUP, files[0]) as client:
                client.ask(b"hello")
                client.connection.shutdown()
                with contextlib.suppress(SSL.ZeroReturnError):
                    client.connection.recv(1)

        await asyncio.to_thread(talk)
        await until(lambda: len(listener.lost) == 2)
        assert listener.lost == [None, None]

    on_listener(work)


def test_without_the_group_the_standard_library_listens(on_listener, files, monkeypatch):
    monkeypatch.setattr("phalanx.adapters.tls._context.best_group", lambda: "x25519")
    context = tls_server_context(*files)
    assert not isinstance(context, PostQuantumContext)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3

    async def work(listener):
        def talk():
            with Client(listener.port, "X25519", files[0]) as client:
                return client.ask(b"hello")

        assert await asyncio.to_thread(talk) == b"hello"

    on_listener(work, context=context)


def test_what_a_listener_agrees_to_can_be_asked(on_listener, files):
    async def work(listener):
        session = await asyncio.to_thread(probe_tls, "127.0.0.1", listener.port, files[0])
        assert (session.version, session.group) == ("TLSv1.3", POST_QUANTUM_GROUP)
        with pytest.raises(Unavailable, match="certificate"):
            await asyncio.to_thread(probe_tls, "127.0.0.1", listener.port)

    on_listener(work)
    assert best_group() == POST_QUANTUM_GROUP


def test_files_that_are_not_what_they_should_be_are_named(files, tmp_path):
    certificate, key = files
    other = self_signed_files(tmp_path, ["other"])[1]
    for given, setting in (
        ((tmp_path / "none.crt", key), "api.tls_cert"),
        ((certificate, tmp_path / "none.key"), "api.tls_key"),
        ((key, key), "api.tls_cert"),
        ((certificate, certificate), "api.tls_key"),
        ((certificate, other), "api.tls_key"),
    ):
        with pytest.raises(InvalidInput) as caught:
            tls_server_context(*given)
        assert caught.value.field == setting


def test_an_own_certificate_is_made_once_and_again_before_it_expires(tmp_path):
    folder = tmp_path / "keys"
    certificate, key = self_signed_files(folder, ["node.example", "0.0.0.0", "192.0.2.7"])
    first = certificate.read_bytes()
    assert self_signed_files(folder, ["else"])[0].read_bytes() == first
    assert key.stat().st_mode & 0o777 == 0o600
    from cryptography import x509

    names = x509.load_pem_x509_certificate(first).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"node.example", "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    assert {str(one) for one in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1", "192.0.2.7"}
    ends = x509.load_pem_x509_certificate(first).not_valid_after_utc.timestamp()
    assert self_signed_files(folder, ["else"], now=lambda: ends - 29 * 86_400)[0].read_bytes() != first
    certificate.write_bytes(b"no certificate")
    with pytest.raises(StorageCorrupt):
        self_signed_files(folder, [])


def _client_hello():
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(1 << 14)
