"""Consensus messages over unreliable datagrams: framed, cut into pieces, put together within bounds.

A host has one address however many participants it has: a broadcast crosses to each host once. Who a
message comes from is the place its frame names, and counts only if that participant lives at the
address it came from.
"""

import struct
from collections import OrderedDict
from collections.abc import Mapping

from phalanx.consensus._limits import CHUNK_BYTES, MAX_CHUNKS, MAX_MESSAGE_BYTES, MAX_PARTIAL
from phalanx.consensus._messages import Message, decode_message, encode_message
from phalanx.core import InvalidInput, LimitExceeded, Transport, WireError

# Magic, message number, piece, pieces; then, in the message: sender, addressee or everybody.
_PIECE = struct.Struct(">4sQHH")
_FRAME = struct.Struct(">HH")
_MAGIC = b"PXC1"
_ALL = 0xFFFF


class Wire:
    """One host's way to the others. ``homes`` says at which address each place lives.

    Messages are cut so that no datagram is longer than ``max_datagram``, which is for the transport to say.
    """

    def __init__(
        self, transport: Transport, homes: Mapping[int, str], *, max_datagram: int = MAX_MESSAGE_BYTES
    ) -> None:
        if max_datagram <= _PIECE.size:
            raise InvalidInput("max_datagram", f"{max_datagram} bytes hold nothing beside a head of {_PIECE.size}")
        self._transport = transport
        self._homes = homes
        self._others = [one for one in dict.fromkeys(homes.values()) if one != transport.address]
        self._chunk_bytes = min(CHUNK_BYTES, max_datagram - _PIECE.size)
        self._number = 0
        self._partial: dict[str, OrderedDict[int, dict[int, bytes]]] = {}
        self.sent = 0
        self.sent_bytes = 0
        self.refused = 0

    def home(self, place: int) -> str:
        """At which address a place lives."""
        return self._homes[place]

    @property
    def hosts(self) -> int:
        """How many hosts there are, this one among them."""
        return len(self._others) + 1

    def send(self, sender: int, to: int | None, message: Message) -> None:
        """To one place, or, for None, to every host but this one. Raises ``LimitExceeded``."""
        frame = _FRAME.pack(sender, _ALL if to is None else to) + encode_message(message)
        if len(frame) > MAX_MESSAGE_BYTES:
            raise LimitExceeded("consensus message bytes", maximum=MAX_MESSAGE_BYTES, seen=len(frame))
        for address in self._others if to is None else [self._homes[to]]:
            self._number += 1
            self.sent += 1
            pieces = range(0, len(frame), self._chunk_bytes)
            for index, start in enumerate(pieces):
                head = _PIECE.pack(_MAGIC, self._number, index, len(pieces))
                piece = head + frame[start : start + self._chunk_bytes]
                self.sent_bytes += len(piece)
                self._transport.send(address, piece)

    async def receive(self) -> tuple[int, int | None, Message]:
        """The next whole message: sender, addressee (None for everybody), message. Junk is counted and dropped."""
        while True:
            source, datagram = await self._transport.receive()
            try:
                found = self._taken(source, datagram)
            except WireError:
                self.refused += 1
                continue
            if found is not None:
                return found

    async def close(self) -> None:
        await self._transport.close()

    def _taken(self, source: str, datagram: bytes) -> tuple[int, int | None, Message] | None:
        frame = self._joined(source, datagram)
        if frame is None:
            return None
        if len(frame) < _FRAME.size:
            raise WireError("consensus frame", "it is too short")
        sender, to = _FRAME.unpack_from(frame)
        if self._homes.get(sender) != source:
            raise WireError("consensus frame", f"participant {sender} does not live at its source")
        return sender, None if to == _ALL else to, decode_message(frame[_FRAME.size :])

    def _joined(self, source: str, datagram: bytes) -> bytes | None:
        if len(datagram) < _PIECE.size:
            raise WireError("consensus frame", "it is too short")
        magic, number, index, pieces = _PIECE.unpack_from(datagram)
        if magic != _MAGIC or not index < pieces <= MAX_CHUNKS:
            raise WireError("consensus frame", "it is none")
        body = datagram[_PIECE.size :]
        if pieces == 1:
            return body
        partial = self._partial.setdefault(source, OrderedDict()) if source in self._homes.values() else OrderedDict()
        found = partial.setdefault(number, {})
        found[index] = body
        if len(found) < pieces:
            while len(partial) > MAX_PARTIAL:
                partial.popitem(last=False)
            return None
        del partial[number]
        if sum(map(len, found.values())) > MAX_MESSAGE_BYTES:
            raise WireError("consensus frame", "it is too long")
        return b"".join(found[place] for place in sorted(found))
