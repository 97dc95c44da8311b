"""A source that listens for syslog on a port of its own, over UDP, TCP or TLS.

Syslog has no acknowledgement and nothing comes twice: where the source stands is a number that only grows, and what
it drew is written down before it is taken in. What was read and not yet drawn when the node ends is lost, at most
``waiting_kib``; over UDP also what the kernel drops, which is counted as gaps.
"""

import asyncio
import ipaddress
import ssl

from phalanx.adapters._limits import (
    LISTEN_MAX_OPEN,
    LISTEN_MAX_PER_PEER,
    LISTEN_MESSAGE_S,
    LISTEN_SILENT_S,
    LISTEN_WAITING_BYTES,
)
from phalanx.adapters.connectors._syslog_ports import DatagramPort, Network, PortPlan, StreamPort, Waiting
from phalanx.core import KIB, MAX_EVENT_BYTES, InvalidInput, Unavailable
from phalanx.intel.delivery import ConnectorContext, Drawn, SourceManifest
from phalanx.intel.reading import FRAMINGS

_PLAIN_PORT, _TLS_PORT = 5514, 6514
_TRANSPORTS = ("udp", "tcp", "tls")
_OPTIONS = (
    "transport", "host", "port", "framing", "allow", "cert_file", "ca_file", "max_open", "max_per_peer",
    "message_s", "silent_s", "waiting_kib",
)  # fmt: skip


class SyslogSource:
    """One port, opened with the first draw and again after it could not be."""

    manifest = SourceManifest(product="syslog", rereads=False, rewinds=False, waiting_unit="lines")

    def __init__(self, context: ConnectorContext) -> None:
        self._plan = _plan(context)
        self._is_udp = context.chosen("transport", "tcp", _TRANSPORTS) == "udp"
        self._waiting = Waiting(self._plan.max_waiting_bytes)
        self._port: StreamPort | DatagramPort | None = None
        # No position comes twice, whatever the store was set back to.
        self._run = context.entropy.token(8).hex()
        self._drawn = 0

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once it does."""
        if self._port is None:
            raise Unavailable("the listener", "it is not open")
        return self._port.address

    async def open(self) -> None:
        """Listen, if it does not yet. Raises ``Unavailable``."""
        if self._port is not None:
            return
        port = (DatagramPort if self._is_udp else StreamPort)(self._plan, self._waiting)
        try:
            await port.open()
        except OSError as error:
            raise Unavailable(
                f"{self._plan.host}:{self._plan.port}", error.strerror or str(error),
                hint="choose another port, or stop what has it",
            ) from error  # fmt: skip
        self._port = port

    async def draw(self, position: str, *, until: str, max_bytes: int, within_s: float) -> Drawn:  # noqa: ARG002
        await self.open()
        assert self._port is not None
        await self._waiting.some(within_s)
        lines = self._waiting.take(max_bytes)
        if lines:
            self._drawn += 1
            position = f"{self._run}-{self._drawn}"
        # For those who wait for room: they read on before the next draw.
        await asyncio.sleep(0)
        return Drawn(lines, position, len(self._waiting), self._port.count_lost())

    def check(self, position: str) -> None:
        """Nothing: it cannot be drawn from any again."""

    async def settle(self, position: str) -> None:
        """Nothing: syslog acknowledges nothing."""

    async def close(self) -> None:
        if self._port is not None:
            port, self._port = self._port, None
            await port.close()


def syslog_source(context: ConnectorContext) -> SyslogSource:
    """Plug-in ``syslog``. ``transport`` udp, tcp or tls; ``host``, ``port``, ``framing``, ``allow`` (networks).

    TLS: ``cert_file``, ``cert_key_file``; with ``ca_file`` peers must show a certificate of it.
    """
    context.only(*_OPTIONS, secrets=("cert_key",))
    return SyslogSource(context)


def _plan(context: ConnectorContext) -> PortPlan:
    transport = context.chosen("transport", "tcp", _TRANSPORTS)
    port = int(context.number("port", _TLS_PORT if transport == "tls" else _PLAIN_PORT))
    if port > 65_535:
        raise InvalidInput(f"{context.where}.options.port", f"{port} is no port")
    return PortPlan(
        host=context.option("host", "127.0.0.1"),
        port=port,
        framing=context.chosen("framing", "auto", FRAMINGS),
        tls=_tls(context) if transport == "tls" else None,
        allowed=_networks(context),
        max_line_bytes=MAX_EVENT_BYTES,
        max_waiting_bytes=int(context.number("waiting_kib", LISTEN_WAITING_BYTES / KIB, least=1) * KIB),
        max_open=int(context.number("max_open", LISTEN_MAX_OPEN, least=1)),
        max_per_peer=int(context.number("max_per_peer", LISTEN_MAX_PER_PEER, least=1)),
        message_s=context.number("message_s", LISTEN_MESSAGE_S, least=0.05),
        silent_s=context.number("silent_s", LISTEN_SILENT_S, least=0.05),
        wall_ns=context.clock.wall_ns,
    )


def _networks(context: ConnectorContext) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in context.option("allow", "").split(",") if one.strip())
    except ValueError as error:
        raise InvalidInput(f"{context.where}.options.allow", f"networks, parted by commas: {error}") from error


def _tls(context: ConnectorContext) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    # Senders of syslog never read: tickets that they leave unread would end their connections with a reset.
    tls.num_tickets = 0
    certificate, key = context.option("cert_file"), context.option("cert_key_file")
    authority = context.options.get("ca_file")
    try:
        tls.load_cert_chain(context.data_dir / certificate, context.data_dir / key)
        if authority is not None:
            tls.verify_mode = ssl.CERT_REQUIRED
            tls.load_verify_locations(context.data_dir / authority)
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(f"{context.where}.options.cert_file", f"no certificates can be read: {error}") from error
    return tls
