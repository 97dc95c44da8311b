"""Datagrams of an agreement between nodes, carried by the bus as envelopes of the kind ``consensus``.

The bus says which process an envelope comes from, by its channel; it seals what leaves the process.
"""

import asyncio
import contextlib

from phalanx.core import NS_PER_S, Clock
from phalanx.messaging import Kind, Mailbox, MessagingError, process_of
from phalanx.node._limits import DATAGRAM_WITHIN_S, MAX_UNREAD_DATAGRAMS, MEMBER
from phalanx.node.cluster._assembly_words import framed


def address_of(process: str) -> str:
    """Where the assembly of a process gets its mail."""
    return f"{process}/{MEMBER}"


class AssemblyTransport:
    """Implements ``Transport`` for one epoch. ``put`` is for whoever reads the mailbox."""

    def __init__(self, box: Mailbox, epoch: bytes, clock: Clock) -> None:
        self._box, self._epoch, self._clock = box, epoch, clock
        self._got: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_UNREAD_DATAGRAMS)

    @property
    def address(self) -> str:
        return process_of(self._box.address)

    def send(self, to: str, datagram: bytes) -> None:
        """What nobody takes is lost, as it may be on any transport: agreement says it again."""
        deadline_ns = self._clock.wall_ns() + round(DATAGRAM_WITHIN_S * NS_PER_S)
        with contextlib.suppress(MessagingError):
            self._box.send_nowait(
                Kind.CONSENSUS, address_of(to), framed(self._epoch, datagram), deadline_ns=deadline_ns
            )

    async def receive(self) -> tuple[str, bytes]:
        return await self._got.get()

    def put(self, source: str, datagram: bytes) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._got.put_nowait((source, datagram))

    async def close(self) -> None:
        """The mailbox stays: others use it."""
