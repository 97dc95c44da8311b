"""The page of messages: how kinds are routed, what is on the way to other processes, and what did not arrive."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.core import TenantId
from phalanx.dashboard._limits import DEAD_LETTERS_SHOWN
from phalanx.messaging import BusView, DeadLetterView, show_bus, show_letter

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class MessagesView:
    """What the page shows; dead letters are the tenant's, newest first."""

    bus: BusView
    letters: tuple[DeadLetterView, ...]


async def messages_view(node: "Node", tenant: TenantId) -> MessagesView:
    """The bus as it stands, and the newest dead letters of ``tenant``."""
    dead = node.bus.dead_letters
    letters = await dead.newest(tenant, limit=DEAD_LETTERS_SHOWN) if dead is not None else []
    return MessagesView(show_bus(node.bus), tuple(map(show_letter, letters)))
