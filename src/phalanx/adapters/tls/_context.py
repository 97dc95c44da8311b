"""TLS 1.3 for the node's listener, with a key exchange that a recording does not outlive.

The standard library's ``ssl`` is bound to whatever OpenSSL Python was built with, which may know
no post-quantum group. pyOpenSSL is bound to the OpenSSL of ``cryptography``, which does:
X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem: X25519 and ML-KEM-768 together), which it prefers by
default since 3.5, also over a client's cheaper key share, by a hello-retry-request.

Event loops drive TLS through one narrow seam, ``SSLContext.wrap_bio``. ``PostQuantumContext``
is a context whose connections are pyOpenSSL's, so the state machine, flow control, handshake and
shutdown timeouts are the loop's own, and nothing of the protocol is written here.

Invariants:

- no version below 1.3, so no renegotiation, compression or static key exchange either;
- half-open handshakes are bounded: a new one takes the place of the oldest, whose connection
  then ends. Who opens many and says nothing only competes with themselves;
- what OpenSSL says is an ``ssl.SSLError`` outside, so that the loop ends that connection alone.
"""

import ssl
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phalanx.adapters._limits import MAX_TLS_HANDSHAKES
from phalanx.adapters.tls._probe import best_group
from phalanx.adapters.tls._session import TlsSession, session_of
from phalanx.core import InvalidInput

POST_QUANTUM_GROUP = "X25519MLKEM768"
_ALPN = b"http/1.1"
_CHUNK_BYTES = 1 << 18


class PostQuantumContext(ssl.SSLContext):
    """A server's context over pyOpenSSL. Made by ``tls_server_context``."""

    library: Any
    openssl: Any
    on_session: Callable[[TlsSession], None] | None

    def prepare(self, openssl: Any, *, max_handshakes: int = MAX_TLS_HANDSHAKES) -> None:
        from OpenSSL import SSL

        self.library = SSL
        self.openssl = openssl
        self.on_session = None
        self._max_handshakes = max_handshakes
        # Weak: a connection that ends half-open takes its handshake with it.
        self._half_open: weakref.WeakValueDictionary[int, _Connection] = weakref.WeakValueDictionary()
        self._number = 0

    @property
    def half_open(self) -> int:
        """Handshakes that have begun and not ended."""
        return len(self._half_open)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the signature of the standard library
        server_hostname: str | bytes | None = None,  # noqa: ARG002
        session: ssl.SSLSession | None = None,  # noqa: ARG002
    ) -> "_Connection":
        assert server_side, "this context is a server's"
        while len(self._half_open) >= self._max_handshakes:
            # The dictionary keeps its order, so the first is the oldest.
            number = next(iter(self._half_open))
            self._half_open.pop(number).give_way()
        self._number += 1
        connection = _Connection(self, self._number, incoming, outgoing)
        self._half_open[self._number] = connection
        return connection

    def ended(self, number: int, session: TlsSession | None) -> None:
        """A handshake is over, well or badly."""
        self._half_open.pop(number, None)
        if session is not None and self.on_session is not None:
            self.on_session(session)


class _Connection(ssl.SSLObject):
    """One connection, as the event loops use it: bytes from one memory BIO to another."""

    def __init__(
        self, context: PostQuantumContext, number: int, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        # SSLObject's own constructor refuses everybody; nothing of its state is used.
        self._library = context.library
        self._owner = context
        self._number = number
        self._incoming = incoming
        self._outgoing = outgoing
        self._ssl: Any = context.library.Connection(context.openssl, None)
        self._ssl.set_accept_state()
        self._session: TlsSession | None = None
        # Whether OpenSSL has looked at everything that came in.
        self._drained = True

    def give_way(self) -> None:
        """Free what the handshake holds; whatever comes next on this connection ends it."""
        self._ssl = None

    def do_handshake(self) -> None:
        try:
            self._step("do_handshake")
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError:
            self._owner.ended(self._number, None)
            raise
        self._session = session_of(self._ssl)
        self._owner.ended(self._number, self._session)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the signature of the standard library
        try:
            if buffer is None:
                return self._step("recv", len)
            return self._step("recv_into", buffer, len)
        except self._library.ZeroReturnError:
            return b"" if buffer is None else 0

    def write(self, data: Any) -> int:
        return int(self._step("send", data))

    def pending(self) -> int:
        """How much can be read at least; uvloop reads until this and what is coming in are both 0."""
        if self._ssl is None:
            return 0
        # OpenSSL counts the record it has opened, not those that wait behind it.
        return int(self._ssl.pending()) or int(not self._drained)

    def unwrap(self) -> None:
        """Say goodbye; done when the other end has too."""
        if not self._step("shutdown"):
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the other end has not said goodbye yet")

    def getpeercert(self, binary_form: bool = False) -> None:  # noqa: FBT001, FBT002
        """Clients show no certificate: they show a token."""

    def cipher(self) -> tuple[str, str, int] | None:
        if self._session is None:
            return None
        return self._session.cipher, self._session.version, int(self._ssl.get_cipher_bits() or 0)

    def compression(self) -> None:
        """TLS 1.3 has none."""

    def version(self) -> str | None:
        return self._session.version if self._session else None

    def selected_alpn_protocol(self) -> str | None:
        return self._ssl.get_alpn_proto_negotiated().decode() or None if self._ssl is not None else None

    @property
    def session_agreed(self) -> TlsSession | None:
        """What the handshake agreed on, once it has."""
        return self._session

    def _step(self, method: str, *arguments: Any) -> Any:
        """Hand over what came in, do one thing, and hand out what goes, whatever came of it."""
        if self._ssl is None:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "too many handshakes at once; the oldest gave way")
        if data := self._incoming.read():
            self._ssl.bio_write(data)
            self._drained = False
        elif self._incoming.eof:
            self._ssl.bio_shutdown()
        try:
            return getattr(self._ssl, method)(*arguments)
        except self._library.WantReadError as error:
            self._drained = True
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "more has to come in") from error
        except self._library.ZeroReturnError:
            raise
        except self._library.SysCallError as error:
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the other end went away in the middle") from error
        except self._library.Error as error:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, _reason(error)) from error
        finally:
            self._hand_out()

    def _hand_out(self) -> None:
        while True:
            try:
                self._outgoing.write(self._ssl.bio_read(_CHUNK_BYTES))
            except self._library.WantReadError:
                return


def tls_server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context for a listener: post-quantum where the library has the group, else the standard library's.

    Raises ``InvalidInput`` naming the file that is not what it should be.
    """
    if best_group() != POST_QUANTUM_GROUP:
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        plain.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            plain.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise InvalidInput("api.tls_cert", f"{certificate} and {key} cannot be used: {error}") from error
        plain.set_alpn_protocols([_ALPN.decode()])
        return plain
    context = PostQuantumContext(ssl.PROTOCOL_TLS_SERVER)
    context.prepare(_openssl_context(certificate, key))
    return context


def _openssl_context(certificate: Path, key: Path) -> Any:
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    # A ticket per connection would let a recording be opened with the ticket's key.
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_alpn_select_callback(lambda _, offered: _ALPN if _ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS)
    for setting, what, path, use in (
        ("api.tls_cert", "certificate", certificate, context.use_certificate_chain_file),
        ("api.tls_key", "private key", key, context.use_privatekey_file),
    ):
        try:
            path.read_bytes()
            use(str(path))
        except OSError as error:
            raise InvalidInput(setting, f"{path} cannot be read: {error.strerror}") from error
        except SSL.Error as error:
            raise InvalidInput(setting, f"{path} holds no {what} in PEM: {_reason(error)}") from error
    try:
        context.check_privatekey()
    except SSL.Error as error:
        raise InvalidInput("api.tls_key", f"{key} is not the key of {certificate}") from error
    return context


def _reason(error: Exception) -> str:
    """OpenSSL's own words, the last one of its stack."""
    stack = error.args[0] if error.args else ""
    if isinstance(stack, list) and stack:
        return str(stack[-1][-1])
    return str(error) or type(error).__name__
