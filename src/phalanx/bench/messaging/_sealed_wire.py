"""Datagrams between processes of a benchmark, sealed end to end by the channels that nodes use."""

from phalanx.adapters import OsEntropy
from phalanx.core import Clock, Transport
from phalanx.crypto.channel import Party
from phalanx.messaging import SealedPeers
from phalanx.telemetry import Telemetry


async def opened_peers(bare: Transport, party: Party, clock: Clock) -> SealedPeers:
    """Peers over one path, opened; whoever cannot prove who it is gets nothing."""
    peers = SealedPeers(
        [bare], party, clock=clock, entropy=OsEntropy(), telemetry=Telemetry(clock), on_refused=lambda _: None
    )
    await peers.open()
    return peers


class SealedTransport:
    """Peers as a transport, for a protocol with frames of its own. Implements ``Transport``."""

    def __init__(self, peers: SealedPeers) -> None:
        self._peers = peers

    @property
    def address(self) -> str:
        return self._peers.process

    @property
    def max_datagram(self) -> int:
        return self._peers.max_frame_bytes

    def send(self, to: str, datagram: bytes) -> None:
        self._peers.send(to, datagram)

    async def receive(self) -> tuple[str, bytes]:
        sender, datagram, _ = await self._peers.receive()
        return sender, datagram

    async def close(self) -> None:
        await self._peers.close()
