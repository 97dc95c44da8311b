"""Asking endpoints for their cryptography: a TLS handshake that is not gone on with, and the first words of SSH.

SSH (RFC 4253, sections 4.2 and 7.1): each side sends a line with its version, then a packet with the lists of what
it takes. Both come in the clear before any key is agreed on, so nothing has to be done to read them.
"""

import socket
import struct
import time
from pathlib import Path

from phalanx.adapters._limits import MAX_SSH_HELLO_BYTES, MAX_SSH_LINES, TLS_HANDSHAKE_S
from phalanx.adapters.tls._probe import ask_tls
from phalanx.core import NS_PER_S, Offload, Unavailable
from phalanx.posture.ports import SshOffer, TlsOffer

_OUR_VERSION = b"SSH-2.0-phalanx_inventory\r\n"
_KEXINIT = 20
_COOKIE_BYTES = 16


class NetworkProbe:
    """Asks over the network, in threads. ``ca`` holds the certificates to trust, by default the operating system's."""

    def __init__(self, offload: Offload, ca: Path | None = None) -> None:
        self._offload = offload
        self._ca = ca

    async def tls(self, host: str, port: int, /) -> TlsOffer:
        return await self._offload.run(_tls, host, port, self._ca)

    async def ssh(self, host: str, port: int, /) -> SshOffer:
        return await self._offload.run(ask_ssh, host, port)


def _tls(host: str, port: int, ca: Path | None) -> TlsOffer:
    session, certificate, distrusted = ask_tls(host, port, ca)
    return TlsOffer(session.group, session.cipher, certificate, distrusted)


def ask_ssh(host: str, port: int) -> SshOffer:
    """What the server at ``host:port`` takes. Raises ``Unavailable``."""
    where = f"SSH at {host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=TLS_HANDSHAKE_S) as connected:
            connected.sendall(_OUR_VERSION)
            reader = _Reader(connected, where)
            version = _version(reader)
            return _offer(version, _packet(reader), where)
    except OSError as error:
        raise Unavailable(where, error.strerror or str(error) or "it does not answer") from error


class _Reader:
    """Reads so many bytes within the time that a handshake may take, and no more than a hello is long."""

    def __init__(self, connected: socket.socket, where: str) -> None:
        self.where = where
        self._socket = connected
        self._until_ns = time.monotonic_ns() + int(TLS_HANDSHAKE_S * NS_PER_S)
        self._left = MAX_SSH_HELLO_BYTES

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if count - len(data) > self._left:
                raise Unavailable(self.where, "it says more than an SSH server does")
            left_s = (self._until_ns - time.monotonic_ns()) / NS_PER_S
            if left_s <= 0:
                raise Unavailable(self.where, "its hello takes too long")
            self._socket.settimeout(left_s)
            more = self._socket.recv(count - len(data))
            if not more:
                raise Unavailable(self.where, "it hung up before it said what it takes")
            data += more
            self._left -= len(more)
        return data


def _version(reader: _Reader) -> str:
    """The line that names the version; a server may say other lines before it."""
    for _ in range(MAX_SSH_LINES):
        line = b""
        while not line.endswith(b"\n"):
            line += reader.take(1)
        if line.startswith(b"SSH-"):
            told = line.strip().decode("ascii", errors="replace")
            return "".join(char if char.isprintable() else "·" for char in told)[:80]
    raise Unavailable(reader.where, "it speaks no SSH")


def _packet(reader: _Reader) -> bytes:
    (length,) = struct.unpack(">I", reader.take(4))
    if not _COOKIE_BYTES + 2 <= length <= MAX_SSH_HELLO_BYTES:
        raise Unavailable(reader.where, "its first packet is no list of what it takes")
    body = reader.take(length)
    return body[1 : length - body[0]]


def _offer(version: str, payload: bytes, where: str) -> SshOffer:
    if not payload or payload[0] != _KEXINIT:
        raise Unavailable(where, "its first packet is no list of what it takes")
    lists, at = [], 1 + _COOKIE_BYTES
    for _ in range(2):
        if at + 4 > len(payload):
            raise Unavailable(where, "its list of what it takes ends in the middle")
        (length,) = struct.unpack_from(">I", payload, at)
        at += 4
        if at + length > len(payload):
            raise Unavailable(where, "its list of what it takes ends in the middle")
        names = payload[at : at + length].decode("ascii", errors="replace").split(",")
        lists.append(tuple(name for name in names if name and name.isprintable()))
        at += length
    return SshOffer(version, lists[0], lists[1])
