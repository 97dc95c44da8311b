"""Identities of a simulation, and a bus on which the heartbeats of some get lost."""

from typing import Any

from phalanx.core import InvalidInput
from phalanx.messaging import Bus, Kind, Member, NoCredit
from phalanx.testing._checking import Checker


class Door:
    """Admits whom it seated and nobody revoked. A name is seated once."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._seated: set[str] = set()
        self.revoked: set[str] = set()

    async def prepare(self, n: int, /) -> None:
        """Nothing to make."""

    def seat(self, agent: str, /) -> None:
        self._checker.require(agent not in self._seated, "a name, and its identity, came twice", agent)
        self._seated.add(agent)

    def leave(self, agent: str, /) -> None:
        """It is known that it was there."""

    def admitted(self, agent: str, /) -> bool:
        return agent in self._seated and agent not in self.revoked

    def fingerprint(self, agent: str, /) -> str:
        return f"key of {agent}"

    def vouch(self, agent: str, statement: bytes, /) -> bytes:
        return agent.encode() + statement

    def check(self, agent: str, statement: bytes, signature: bytes, /) -> None:
        if signature != agent.encode() + statement:
            raise InvalidInput("signature", f"is not the one of {agent}")


class LossyBus(Bus):
    """Loses the heartbeats of agents that are ``deaf``: their own, as if the way to the monitor were cut."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deaf: set[str] = set()

    def post(self, member: Member, kind: Kind, *rest: Any) -> Any:
        if kind is Kind.HEARTBEAT and member.agent in self.deaf:
            raise NoCredit(member.agent)
        return super().post(member, kind, *rest)
