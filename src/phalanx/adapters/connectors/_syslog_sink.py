"""QRadar, and whatever else takes LEEF 2.0 as syslog over TLS (RFC 5425) or, within this machine, TCP.

Syslog acknowledges nothing. So a parcel is taken only when the peer's machine has confirmed every byte (the kernel's
send queue is empty) and the connection still stands; else it is sent again. What a peer loses after that, nobody
hears of: the attribute ``externalId`` tells doubles apart.
"""

import fcntl
import select
import socket
import ssl
import struct
import termios
import time

from phalanx.adapters._limits import CONNECTOR_TIMEOUT_S, MAX_CONNECTOR_CALLS, SYSLOG_CONFIRM_S, SYSLOG_LOOK_S
from phalanx.adapters._system import ThreadOffload
from phalanx.core import InvalidInput, Unavailable
from phalanx.intel.delivery import TAKEN, Answer, ConnectorContext, Item, Parcel, SinkManifest
from phalanx.intel.delivery.wire import LEEF_MANIFEST, leef_line

_TLS_PORT = 6514


class SyslogSink:
    """One connection, made when it is needed and again after it broke."""

    def __init__(self, context: ConnectorContext) -> None:
        self._node = context.node
        self._host = context.option("host")
        self._port = int(context.number("port", _TLS_PORT, least=1))
        self._octet_counted = context.chosen("framing", "lines", ("lines", "octets")) == "octets"
        self._timeout_s = context.number("timeout_s", CONNECTOR_TIMEOUT_S, least=0.1)
        self._tls = _tls(context)
        self._threads = ThreadOffload(1, max_waiting=MAX_CONNECTOR_CALLS)
        self._socket: socket.socket | None = None

    @property
    def manifest(self) -> SinkManifest:
        return LEEF_MANIFEST

    def encode(self, item: Item) -> bytes:
        return leef_line(item, node=self._node, octet_counted=self._octet_counted)

    async def send(self, parcel: Parcel) -> Answer:
        await self._threads.run(self._write, b"".join(parcel.forms))
        return TAKEN

    async def close(self) -> None:
        await self._threads.run(self._drop)
        self._threads.close()

    @property
    def _what(self) -> str:
        return f"the syslog server at {self._host}:{self._port}"

    def _write(self, data: bytes) -> None:
        try:
            line = self._connected()
            line.sendall(data)
            self._confirm(line)
        except OSError as error:
            self._drop()
            raise Unavailable(self._what, error.strerror or str(error) or type(error).__name__) from error

    def _connected(self) -> socket.socket:
        if self._socket is not None and _is_over(self._socket):
            self._drop()
        if self._socket is None:
            plain = socket.create_connection((self._host, self._port), timeout=self._timeout_s)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            try:
                self._socket = plain if self._tls is None else self._tls.wrap_socket(plain, server_hostname=self._host)
            except OSError:
                plain.close()
                raise
        return self._socket

    def _confirm(self, line: socket.socket) -> None:
        """Wait until nothing that was written is unconfirmed, and see that the peer has not gone meanwhile."""
        end_ns = time.monotonic_ns() + int(SYSLOG_CONFIRM_S * 1e9)
        while _unconfirmed_bytes(line):
            if time.monotonic_ns() > end_ns:
                raise TimeoutError("it confirms nothing")
            time.sleep(SYSLOG_LOOK_S)
        if _is_over(line):
            raise ConnectionResetError("it closed the connection")

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def syslog_leef_sink(context: ConnectorContext) -> SyslogSink:
    """Plug-in ``qradar``. ``host``; ``port``, ``ca_file``, ``framing`` lines or octets, ``tls`` yes or no."""
    context.only("host", "port", "ca_file", "framing", "tls", "timeout_s", "cert_file", secrets=("cert_key",))
    return SyslogSink(context)


def _tls(context: ConnectorContext) -> ssl.SSLContext | None:
    if context.chosen("tls", "yes", ("yes", "no")) == "no":
        if context.option("host") not in {"127.0.0.1", "::1", "localhost"}:
            raise InvalidInput(f"{context.where}.options.tls", "without TLS only within this machine")
        return None
    tls = ssl.create_default_context()
    ca, certificate = context.options.get("ca_file"), context.options.get("cert_file")
    try:
        if ca is not None:
            tls.load_verify_locations(context.data_dir / ca)
        if certificate is not None:
            tls.load_cert_chain(context.data_dir / certificate, context.data_dir / context.option("cert_key_file"))
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(f"{context.where}.options.ca_file", f"no certificates can be read: {error}") from error
    return tls


def _unconfirmed_bytes(line: socket.socket) -> int:
    """What the peer's machine has not confirmed (SIOCOUTQ, which is TIOCOUTQ)."""
    raw = fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", raw)[0])


def _is_over(line: socket.socket) -> bool:
    """Whether the peer closed: a syslog server says nothing, so only an end can be read. TLS may say something."""
    if not select.select([line], [], [], 0)[0]:
        return False
    timeout_s = line.gettimeout()
    line.settimeout(0)
    try:
        return not line.recv(4_096)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        line.settimeout(timeout_s)
