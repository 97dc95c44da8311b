"""Who can be written to, and how names are written.

An agent's address is ``process/agent``. ``#tag`` means whoever carries the tag, ``@instance`` the participants of an
instance, ``*`` everybody.
"""

from dataclasses import dataclass

from phalanx.core import InvalidInput
from phalanx.messaging._limits import MAX_ADDRESS_CHARS, MAX_TAGS
from phalanx.messaging._marking import ALL_TENANTS, Marking

EVERYONE = "*"


def tagged(tag: str) -> str:
    """The name for whoever carries ``tag``, for example ``role:hunter``."""
    return "#" + tag


def participants(instance: str) -> str:
    """The name for all participants of ``instance``."""
    return "@" + instance


def process_of(address: str) -> str:
    """The process that an agent's address names; empty when it names none."""
    return address.partition("/")[0] if "/" in address else ""


@dataclass(frozen=True, slots=True)
class Member:
    """An agent as the bus knows it. ``agent`` is its name in its process; ``address`` follows when it joins.

    ``tenants`` are those whose envelopes it may read, ``clearance`` the closest marking. With ``settles`` an envelope
    counts as taken only when the agent says ``done``; else when it is out of the mailbox.
    """

    agent: str
    tags: frozenset[str] = frozenset()
    tenants: frozenset[str] = ALL_TENANTS
    clearance: Marking = Marking.AMBER_STRICT
    organisation: str = ""
    settles: bool = False
    address: str = ""

    def __post_init__(self) -> None:
        if not self.agent or len(self.agent) > MAX_ADDRESS_CHARS or set(self.agent) & set("/#@*%"):
            raise InvalidInput("agent", f"{self.agent!r} is no name: 1 to {MAX_ADDRESS_CHARS} characters, no / # @ * %")
        if len(self.tags) > MAX_TAGS:
            raise InvalidInput("tags", f"{len(self.tags)} tags, at most {MAX_TAGS}")
