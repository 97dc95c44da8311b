"""Listening for syslog: real sockets, and peers that mean ill."""

import asyncio
import contextlib
import datetime as dt
import logging
import logging.handlers
import shutil
import socket
import ssl
import subprocess

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from phalanx.adapters.connectors import syslog_source
from phalanx.adapters.tls import self_signed_files
from phalanx.core import BatchId, InvalidInput, TenantId, Unavailable, derive_id
from phalanx.intel import read_chunk
from phalanx.testing.delivery import context_of

pytestmark = pytest.mark.requirement("INT-1")
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
LINE = b"<34>1 2026-03-02T08:30:00Z host app 4711 ID - message %06d"


@contextlib.asynccontextmanager
async def listening(folder, **options):
    source = syslog_source(context_of(folder, {"port": "0", **options}, name="in"))
    await source.open()
    try:
        yield source
    finally:
        await source.close()


async def drawn(source, *, at_least, max_bytes=100_000):
    """Lines until there are as many, and the losses that were told with them."""
    lines, lost, position = [], 0, ""
    while len(lines) + lost < at_least:
        found = await source.draw(position, until="", max_bytes=max_bytes, within_s=0.3)
        assert (found.position != position) == bool(found.lines)
        position, lost = found.position, lost + found.gap
        lines += found.lines.splitlines()
    return lines, lost


def run(main, loop="asyncio"):
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_full_listener_makes_tcp_peers_wait_and_loses_nothing(loop, tmp_path):
    n = 100_000
    told = [LINE % number for number in range(n)]

    async def main():
        async with listening(tmp_path, waiting_kib="64") as source:
            _, writer = await asyncio.open_connection(*source.address)
            sending = asyncio.create_task(send_all(writer, told))
            first = await source.draw("", until="", max_bytes=1_000, within_s=5.0)
            # Nobody draws, and 6 MB do not fit into 64 KiB and the buffers of both machines.
            for _ in range(1_000):
                await asyncio.sleep(0)
            assert not sending.done()
            second = await source.draw("", until="", max_bytes=1_000, within_s=5.0)
            assert second.waiting < 4_000
            before = (first.lines + second.lines).splitlines()
            lines, lost = await drawn(source, at_least=n - len(before))
            assert before + lines == told
            assert lost == 0
            await sending

    async def send_all(writer, lines):
        for at in range(0, n, 1_000):
            writer.write(b"".join(b"%d %s" % (len(one), one) for one in lines[at : at + 1_000]))
            await writer.drain()
        writer.close()

    run(main, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_udp_loses_is_counted(loop, tmp_path):
    async def main():
        async with listening(tmp_path, transport="udp", waiting_kib="16") as source:
            n = 60_000
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                for number in range(n):
                    peer.sendto((LINE % number).ljust(300), source.address)
            lines, lost = await drawn(source, at_least=n)
            assert lost > 0
            assert len(lines) + lost == n
            assert lines[0] == LINE % 0

    run(main, loop)


def test_a_slow_peer_is_cut_off_and_others_are_heard(tmp_path):
    async def main():
        async with listening(tmp_path, message_s="0.2", silent_s="60") as source:
            slow = [await asyncio.open_connection(*source.address) for _ in range(20)]
            for _, writer in slow:
                writer.write(b"<34>1 slow")
            _, quick = await asyncio.open_connection(*source.address)
            quick.write(LINE % 1 + b"\n")
            # Each is ended, and what it had begun counts as a line.
            for reader, _ in slow:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            lines, lost = await drawn(source, at_least=41)
            assert sorted(lines) == sorted([LINE % 1] + [b"<34>1 slow"] * 20)
            assert lost == 20
            for _, writer in [*slow, (None, quick)]:
                writer.close()

    run(main)


def test_a_100_mb_line_costs_its_beginning_and_nothing_else(tmp_path):
    async def main():
        async with listening(tmp_path) as source:
            _, writer = await asyncio.open_connection(*source.address)

            async def send():
                writer.write(b"<34>huge ")
                for _ in range(100):
                    writer.write(b"x" * 1_000_000)
                    await writer.drain()
                writer.write(b"\n" + LINE % 2 + b"\n")
                await writer.drain()

            sending = asyncio.create_task(send())
            lines, lost = await drawn(source, at_least=3)
            await sending
            assert lines[0].startswith(b"phalanx unread: 100000009 bytes, ")
            assert lines[1:] == [LINE % 2]
            assert lost == 1
            writer.close()

    run(main)


def test_garbage_ends_only_its_own_connection(tmp_path):
    async def main():
        async with listening(tmp_path, framing="octets") as source:
            reader, garbage = await asyncio.open_connection(*source.address)
            garbage.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            _, good = await asyncio.open_connection(*source.address)
            good.write(b"%d %s" % (len(LINE % 1), LINE % 1))
            lines, lost = await drawn(source, at_least=2)
            assert (lines, lost) == ([LINE % 1], 1)
            garbage.close()
            good.close()

    run(main)


def test_only_so_many_connections_and_only_from_those_who_may(tmp_path):
    async def main():
        async with listening(tmp_path, max_per_peer="2") as source:
            opened = [await asyncio.open_connection(*source.address) for _ in range(3)]
            with contextlib.suppress(ConnectionError):
                assert await opened[2][0].read() == b""
            opened[0][1].write(LINE % 1 + b"\n")
            assert await drawn(source, at_least=2) == ([LINE % 1], 1)
            for _, writer in opened:
                writer.close()
        async with listening(tmp_path, allow="192.0.2.0/24,2001:db8::/32") as source:
            reader, writer = await asyncio.open_connection(*source.address)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
        async with listening(tmp_path, transport="udp", allow="192.0.2.0/24") as source:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.sendto(LINE % 1, source.address)
            assert await drawn(source, at_least=1) == ([], 1)

    run(main)


def client_files(folder):
    """A certificate that says it is a client's, which is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    day = dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate, private = folder / "client.pem", folder / "client.key"
    pem = serialization.Encoding.PEM
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate, private


@pytest.mark.parametrize("loop", LOOPS)
def test_tls_and_who_must_show_a_certificate(loop, tmp_path):
    certificate, key = self_signed_files(tmp_path / "server", ["localhost"])
    other, other_key = client_files(tmp_path)

    async def main():
        files = {"transport": "tls", "cert_file": str(certificate), "cert_key_file": str(key)}
        client = ssl.create_default_context(cafile=certificate)
        async with listening(tmp_path, **files) as source:
            _, writer = await asyncio.open_connection(*source.address, ssl=client, server_hostname="localhost")
            writer.write(b"%d %s" % (len(LINE % 1), LINE % 1))
            # Without TLS nothing is heard, and nobody else is disturbed.
            _, plain = await asyncio.open_connection(*source.address)
            plain.write(LINE % 9 + b"\n")
            assert (await drawn(source, at_least=1))[0] == [LINE % 1]
            writer.close()
            plain.close()
        async with listening(tmp_path, **files, ca_file=str(other)) as source:
            # The handshake of TLS 1.3 is over for the client before the server has seen that there is no certificate.
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(*source.address, ssl=client, server_hostname="localhost")
                writer.write(LINE % 9 + b"\n")
                assert not await reader.read()
            client.load_cert_chain(other, other_key)
            _, writer = await asyncio.open_connection(*source.address, ssl=client, server_hostname="localhost")
            writer.write(LINE % 2 + b"\n")
            assert (await drawn(source, at_least=1))[0] == [LINE % 2]
            writer.close()

    run(main, loop)


@pytest.mark.skipif(shutil.which("logger") is None, reason="util-linux's logger is not installed")
@pytest.mark.parametrize("options", [["--udp"], ["--tcp"], ["--tcp", "--octet-count"], ["--tcp", "--rfc3164"]])
def test_a_client_that_is_not_ours(options, tmp_path):
    transport = options[0].removeprefix("--")

    async def main():
        async with listening(tmp_path, transport=transport) as source:
            host, port = source.address
            command = ["logger", "--server", host, "--port", str(port), *options, "--tag", "tester", "hello there"]
            await asyncio.to_thread(subprocess.run, command, check=True, timeout=30)
            (line,), lost = await drawn(source, at_least=1)
            assert line.startswith(b"<")
            assert line.endswith(b"hello there")
            assert lost == 0

    run(main)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_handler_of_pythons_logging(transport, tmp_path):
    """It writes neither time nor host, and ends a message with a NUL on TCP too."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM

    def log(address):
        with contextlib.closing(logging.handlers.SysLogHandler(address, socktype=kind)) as handler:
            handler.ident = "sshd[7]: "
            for number in range(3):
                handler.emit(logging.LogRecord("app", logging.ERROR, "", 0, "said %d", (number,), None))

    async def main():
        async with listening(tmp_path, transport=transport) as source:
            await asyncio.to_thread(log, source.address)
            lines, lost = await drawn(source, at_least=3)
            assert lost == 0
            now_ns = 1_772_440_200_000_000_000
            out = read_chunk(
                b"\n".join(lines), reader="syslog", tenant=TenantId("t"), batch=BatchId(derive_id(now_ns, "b")),
                accepted_at_ns=now_ns,
            )  # fmt: skip
            (batch,) = out.batches
            assert list(batch.columns["message"]) == ["said 0", "said 1", "said 2"]
            assert set(batch.columns["program"]) == {"sshd"}
            # Where it came from stands where the sender left it out.
            assert set(batch.columns["hostname"]) == {"127.0.0.1"}

    run(main)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_tls_sender_wrote_before_it_was_gone_is_read(loop, tmp_path):
    """It never reads and says no goodbye: the session tickets of a server would lie unread and reset the connection."""
    tls_files = self_signed_files(tmp_path / "server", ["localhost"])

    def send(address):
        client = ssl.create_default_context(cafile=tls_files[0])
        with client.wrap_socket(socket.create_connection(address), server_hostname="localhost") as sender:
            for number in range(20):
                line = LINE % number
                sender.sendall(b"%d %s" % (len(line), line))

    async def main():
        async with listening(
            tmp_path, transport="tls", cert_file=str(tls_files[0]), cert_key_file=str(tls_files[1])
        ) as source:
            await asyncio.to_thread(send, source.address)
            assert await drawn(source, at_least=20) == ([LINE % number for number in range(20)], 0)

    run(main, loop)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the command openssl is not installed")
def test_a_tls_client_that_is_not_ours(tmp_path):
    tls_files = self_signed_files(tmp_path / "server", ["localhost"])

    async def main():
        async with listening(
            tmp_path, transport="tls", cert_file=str(tls_files[0]), cert_key_file=str(tls_files[1])
        ) as source:
            host, port = source.address
            command = [
                "openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", str(tls_files[0]),
                "-connect", f"{host}:{port}", "-servername", "localhost",
            ]  # fmt: skip
            told = b"".join(LINE % number + b"\n" for number in range(5))
            client = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            client.stdin.write(told)
            lines, lost = await drawn(source, at_least=5)
            client.terminate()
            await client.wait()
            assert (b"".join(line + b"\n" for line in lines), lost) == (told, 0)

    run(main)


def test_a_port_is_free_again_after_the_end_and_taken_before(tmp_path):
    async def main():
        async with listening(tmp_path) as source:
            port = source.address[1]
            with pytest.raises(Unavailable):
                async with listening(tmp_path, port=str(port)):
                    raise AssertionError
            positions = {await one_position(source)}
        async with listening(tmp_path, port=str(port)) as source:
            positions.add(await one_position(source))
        assert len(positions) == 2, "no position comes twice"

    async def one_position(source):
        _, writer = await asyncio.open_connection(*source.address)
        writer.write(b"x\n")
        found = await source.draw("", until="", max_bytes=100, within_s=5.0)
        writer.close()
        return found.position

    run(main)


@pytest.mark.parametrize(
    "options",
    [
        {"transport": "smoke"}, {"port": "70000"}, {"allow": "10.0.0.0/99"}, {"framing": "x"}, {"transport": "tls"},
        {"transport": "tls", "cert_file": "no.pem", "cert_key_file": "no.key"}, {"max_open": "0"}, {"colour": "red"},
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(options, tmp_path):
    with pytest.raises(InvalidInput):
        syslog_source(context_of(tmp_path, options, name="in"))
