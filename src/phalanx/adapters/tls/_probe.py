"""Which key exchange the TLS library here does, and what a listener elsewhere agrees to: found out by doing it."""

import contextlib
import functools
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from phalanx.adapters._limits import TLS_HANDSHAKE_S
from phalanx.adapters.tls._session import TlsSession, session_of
from phalanx.core import NS_PER_S, InvalidInput, Unavailable

_CHUNK_BYTES = 16_384
# Flights of a handshake in memory; TLS 1.3 takes two, a hello-retry-request one more.
_MAX_FLIGHTS = 8


@functools.cache
def best_group() -> str:
    """The group that two ends with this library's defaults agree on; empty when it does not do or tell that."""
    from OpenSSL import SSL

    from phalanx.adapters.tls._files import throwaway_certificate

    if not hasattr(SSL.Connection, "get_group_name"):
        return ""
    certificate, key = throwaway_certificate()
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    server, client = SSL.Connection(context, None), SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    server.set_accept_state()
    client.set_connect_state()
    try:
        for _ in range(_MAX_FLIGHTS):
            done = [_step(client, server), _step(server, client)]
            if all(done):
                return session_of(server).group
    except (SSL.Error, NotImplementedError):
        return ""
    return ""


def _step(end: Any, other: Any) -> bool:
    """One turn of one end's handshake; what it says goes to the other."""
    from OpenSSL import SSL

    done = True
    try:
        end.do_handshake()
    except SSL.WantReadError:
        done = False
    with contextlib.suppress(SSL.WantReadError):
        other.bio_write(end.bio_read(_CHUNK_BYTES))
    return done


def probe_tls(host: str, port: int, ca: Path | None = None) -> TlsSession:
    """What the listener at ``host:port`` agrees on with this library's best. Raises ``Unavailable``.

    ``ca`` is the file of certificates to trust; without it the operating system's.
    """
    from OpenSSL import SSL

    def trusted(*args: Any) -> bool:
        return bool(args[-1])

    return session_of(_connected(host, port, _context(SSL.VERIFY_PEER, trusted, ca)))


def ask_tls(host: str, port: int, ca: Path | None = None) -> tuple[TlsSession, bytes, str]:
    """What a listener agrees on and its certificate (DER), trusted or not, and why not; empty when it is.

    For an inventory: what is not to be trusted is still there. Raises ``Unavailable``.
    """
    from OpenSSL import SSL

    errors: list[int] = []

    def noted(*args: Any) -> bool:
        if not args[-1]:
            errors.append(args[2])
        return True

    connection = _connected(host, port, _context(SSL.VERIFY_PEER, noted, ca))
    shown = connection.get_peer_certificate(as_cryptography=True)
    der = b"" if shown is None else shown.public_bytes(serialization.Encoding.DER)
    return session_of(connection), der, _distrust(errors)


def _context(mode: int, verify: Callable[..., bool], ca: Path | None) -> Any:
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(mode, verify)
    try:
        context.load_verify_locations(str(ca)) if ca else context.set_default_verify_paths()
    except SSL.Error as error:
        raise InvalidInput("ca", f"{ca} holds no certificates") from error
    return context


def _connected(host: str, port: int, context: Any) -> Any:
    """A connection whose handshake is over. Its socket is closed: what was agreed on stays with it."""
    from OpenSSL import SSL

    until_ns = time.monotonic_ns() + int(TLS_HANDSHAKE_S * NS_PER_S)
    where = f"TLS at {host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=TLS_HANDSHAKE_S) as connected:
            connection = SSL.Connection(context, None)
            connection.set_connect_state()
            if not _is_address(host):
                connection.set_tlsext_host_name(host.encode("idna"))
            while not _spoken(connection, connected):
                if time.monotonic_ns() > until_ns:
                    raise Unavailable(where, "the handshake takes too long")
            return connection
    except OSError as error:
        raise Unavailable(where, error.strerror or str(error), hint="name the node with --url") from error
    except SSL.Error as error:
        reason = str(error.args[0][-1][-1]) if error.args and error.args[0] else "it speaks no TLS"
        hint = "give its certificate with --ca" if "certificate" in reason else "does the node speak TLS there?"
        raise Unavailable(where, reason, hint=hint) from error


def _spoken(connection: Any, connected: socket.socket) -> bool:
    """One turn over a socket; True when the handshake is over."""
    from OpenSSL import SSL

    done = True
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        done = False
    with contextlib.suppress(SSL.WantReadError):
        connected.sendall(connection.bio_read(_CHUNK_BYTES))
    if not done:
        data = connected.recv(_CHUNK_BYTES)
        connection.bio_write(data) if data else connection.bio_shutdown()
    return done


# The common ones of X509_V_ERR_…: what people can do something about.
_DISTRUST = {
    10: "its certificate has ended", 9: "its certificate is not valid yet", 18: "its certificate is self-signed",
    19: "its chain ends in a certificate that nobody here trusts", 20: "nobody here trusts its issuer",
    21: "nobody here trusts its issuer",
}  # fmt: skip


def _distrust(errors: list[int]) -> str:
    return _DISTRUST.get(errors[0], f"its certificate is not to be trusted, reason {errors[0]}") if errors else ""


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
