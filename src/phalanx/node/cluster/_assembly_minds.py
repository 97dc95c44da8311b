"""What a node of an assembly thinks of a question: its own policy, applied to what it was shown beforehand."""

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Protocol

from phalanx.consensus import Archive, Question
from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, NO_TRACE, NS_PER_S, Clock, Outcome, decode
from phalanx.incidents import ActionProposal, Ruling
from phalanx.node._limits import MAX_MATTERS
from phalanx.node.council._chamber import APPROVE, REFUSE


class Judging(Protocol):
    """How a node's policy rules on what another proposes; ``elsewhere`` are hosts that others had isolated lately."""

    async def __call__(self, proposal: ActionProposal, /, *, elsewhere: int) -> Ruling: ...


class Minds:
    """Implements ``Judge``. Of what it was not shown it thinks nothing, and votes for nothing."""

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self._archive, self._clock = archive, clock
        self._wanted: OrderedDict[bytes, str] = OrderedDict()
        self.judge: Judging | None = None

    def make_up(self, context: bytes, outcome: Outcome) -> None:
        self._wanted[context] = APPROVE if outcome is Outcome.APPROVED else REFUSE
        while len(self._wanted) > MAX_MATTERS:
            self._wanted.popitem(last=False)

    def accepts(self, question: Question, support: Sequence[int]) -> Collection[int]:  # noqa: ARG002 - a judge's
        wanted = self._wanted.get(question.context)
        return (question.options.index(wanted),) if wanted in question.options else ()

    async def consider(self, shown: bytes) -> bool:
        """Rule on what another node proposes, before it is asked; false where nobody rules. Raises ``WireError``."""
        if self.judge is None:
            return False
        context = hashlib.sha256(shown).digest()
        ruling = await self.judge(decode(shown, ActionProposal), elsewhere=await self._others_this_hour(context))
        self.make_up(context, ruling.outcome)
        return True

    async def _others_this_hour(self, context: bytes) -> int:
        """Hosts that other nodes had isolated in the last hour, whatever comes of the matter at hand."""
        since_ns = self._clock.wall_ns() - 3_600 * NS_PER_S
        newest = await self._archive.newest(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
        return sum(
            one.decision == APPROVE and one.trace == NO_TRACE and one.at_ns >= since_ns
            and one.context != context.hex()
            for one in newest
        )  # fmt: skip
