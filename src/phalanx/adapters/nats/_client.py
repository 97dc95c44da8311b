"""One connection to a NATS server with nats-py (extra ``cluster``): made, signed in, told when it is over.

nats-py would reconnect by itself, but then loses what it holds without a word, gives up for good
after some errors, and can hang in closing a connection that nobody answers on. So a client
here lives as long as its connection, and whoever owns it makes the next one.
"""

import asyncio
import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from phalanx.adapters._limits import NATS_CLOSE_S, NATS_CONNECT_S, NATS_PENDING_BYTES, NATS_PING_S, NATS_SILENT_PINGS
from phalanx.adapters.nats._nkey import Nkey
from phalanx.core import InvalidInput, Unavailable

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

    class NatsClient(Client):
        """A client that tells at once when its connection is over."""

        lost: asyncio.Event
        why: str

        def __init__(self, access: "NatsAccess") -> None: ...

        async def leave(self) -> None: ...


_VERIFY_FLAGS = ssl.VERIFY_X509_PARTIAL_CHAIN
_SCHEMES = ("nats", "tls")
NATS_EXTRA_HINT = "install it: pip install 'phalanx[cluster]'"


@dataclass(frozen=True, slots=True)
class NatsAccess:
    """Where servers are (any of ``urls``) and how one gets in.

    With ``tls`` a server that speaks in the clear is refused, whatever it says of itself. ``inbox`` is what subjects
    begin with on which answers come in.
    """

    urls: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    user: Nkey | None = None
    inbox: str = "_INBOX"

    def __post_init__(self) -> None:
        if not self.urls:
            raise InvalidInput("cluster.url", "no address of a server is given")
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in _SCHEMES or not parts.hostname:
                raise InvalidInput("cluster.url", f"{url!r} is not an address such as nats://10.0.0.7:4222")
            if parts.scheme == "tls" and self.tls is None:
                raise InvalidInput("cluster.url", f"{url} wants TLS: say whose certificates are trusted")


def trusting_only(certificates: str, *, pinned: bool = False) -> ssl.SSLContext:
    """A context for servers under these certificates (PEM) and no others. Raises ``InvalidInput``.

    ``pinned``: the certificate itself is what is known, so that the address it was issued for does not matter.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=certificates)
    except ssl.SSLError as error:
        raise InvalidInput("cluster.ca", "it holds no certificates") from error
    context.verify_flags |= _VERIFY_FLAGS
    context.check_hostname = not pinned
    return context


async def connect_nats(
    access: NatsAccess, url: str, name: str, *, on_error: Callable[[Exception], None]
) -> "NatsClient":
    """A client connected to ``url``. Raises ``Unavailable`` with the reason, also without the extra."""
    client = _client_class()(access)
    import nats.errors

    async def heard(error: Exception) -> None:
        client.why = _said(error)
        on_error(error)

    options: dict[str, Any] = {"tls": access.tls} if access.tls is not None else {}
    if access.user is not None:
        options["signature_cb"] = access.user.sign
    try:
        async with asyncio.timeout(NATS_CONNECT_S):
            await client.connect(
                url, name=name, error_cb=heard, allow_reconnect=False, max_reconnect_attempts=1,
                reconnect_time_wait=0, connect_timeout=round(NATS_CONNECT_S), ping_interval=NATS_PING_S,
                max_outstanding_pings=NATS_SILENT_PINGS, pending_size=NATS_PENDING_BYTES, no_echo=False,
                inbox_prefix=access.inbox, **options,
            )  # fmt: skip
    except TimeoutError as error:
        await client.leave()
        raise Unavailable(url, f"no answer within {NATS_CONNECT_S:g} s") from error
    except (OSError, nats.errors.Error) as error:
        # Once every address was tried, nats-py says no more than that; what went wrong came before.
        reason = client.why if isinstance(error, nats.errors.NoServersError) and client.why else _said(error)
        await client.leave()
        raise Unavailable(url, reason, hint=_hint(reason)) from error
    except asyncio.CancelledError:
        await client.leave()
        raise
    return client


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__).removeprefix("nats: ").strip("'\r\n ")


def refuses_us(reason: str) -> bool:
    """Whether a server that is there does not let us in, so that waiting does not help."""
    return "authorization" in reason.lower() or "authentication" in reason.lower()


def _hint(reason: str) -> str:
    if refuses_us(reason):
        return "the server does not know this key: join with a token of `phalanx cluster join-token`"
    if "certificate" in reason.lower():
        return "name the file with the authority's certificate in cluster.ca"
    return "is the server up, and is the address right?"


@functools.cache
def _client_class() -> type["NatsClient"]:
    """nats-py's client with an end that is seen, and with nkeys that need no library of their own."""
    try:
        from nats.aio.client import Client
        from nats.errors import Error
    except ImportError as error:
        raise Unavailable("nats-py", "it is not installed", hint=NATS_EXTRA_HINT) from error

    class Connected(Client):
        def __init__(self, access: NatsAccess) -> None:
            super().__init__()
            self.lost = asyncio.Event()
            self.why = ""
            self._wants_tls = access.tls is not None
            if access.user is not None:
                self._public_nkey = access.user.public

        async def leave(self) -> None:
            """Close, and cut the socket where nobody answers."""
            self.lost.set()
            writer = getattr(self._transport, "_io_writer", None)
            closing = asyncio.ensure_future(self.close())
            # nats-py swallows cancellations: it is waited for, never cancelled into an end.
            await asyncio.wait([closing], timeout=NATS_CLOSE_S)
            if writer is not None:
                writer.transport.abort()
            await asyncio.wait([closing], timeout=NATS_CLOSE_S)
            if closing.done():
                closing.exception()  # there is nobody left to whom it would matter
            else:
                closing.cancel()

        def _connect_command(self) -> bytes:
            # Somebody between us and the server could have struck TLS from its greeting.
            if self._wants_tls and not self._server_info.get("tls_required"):
                raise Error("the server does not speak TLS")
            if self._wants_tls and (writer := getattr(self._transport, "_io_writer", None)) is not None:
                # nats-py forgets to tell its protocol, which asyncio would warn of at every end of a connection.
                writer.transport.get_protocol()._over_ssl = True  # noqa: SLF001
            return super()._connect_command()

        async def _close(self, status: int, do_cbs: bool = True) -> None:  # noqa: FBT001, FBT002 - nats-py's signature
            self.lost.set()
            if self._err is not None:
                self.why = _said(self._err)
            await super()._close(status, do_cbs)

    return Connected  # type: ignore[return-value]


Handler = Callable[["Msg"], None]


async def subscribe(client: "NatsClient", url: str, subject: str, handle: Handler) -> None:
    """Have ``handle`` called with what comes in; on return the server has shown that it does."""
    heard, probe = asyncio.Event(), client.new_inbox().encode()

    async def handler(message: "Msg") -> None:
        if message.data == probe and not message.reply:
            heard.set()
        else:
            handle(message)

    await client.subscribe(subject, cb=handler)
    # A flush would not do: nats-py's question can overtake the subscription that it is to confirm.
    await client.publish(subject, probe)
    ways = [asyncio.ensure_future(event.wait()) for event in (heard, client.lost)]
    try:
        await asyncio.wait(ways, timeout=NATS_CONNECT_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
    if not heard.is_set():
        raise Unavailable(url, client.why or f"it did not deliver within {NATS_CONNECT_S:g} s")
