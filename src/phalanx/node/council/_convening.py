"""Who sits in the agents' council: an epoch is drafted, answered by every agent, fixed, sealed and recorded.

The node proposes; each agent compares the proposal with what it heard itself and signs, with the key of its
identity, that it accepts it or what is wrong with it. Objections are recorded whether the epoch is fixed or not,
with the certificates that prove who made them.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from phalanx.agents import Swarm
from phalanx.consensus import (
    Acceptance,
    Archive,
    Assent,
    Epoch,
    EpochRefused,
    EpochSeal,
    Heard,
    Objection,
    Participant,
    UnjustFilter,
    absence,
    answer,
    draft,
    fix,
)
from phalanx.core import AlertLevel, AlertSink, Clock, Offload
from phalanx.crypto.identity import Identities, Identity

THE_NODE = ""


class Hearing(Protocol):
    """What agents and the node heard of each other."""

    def by(self, listeners: Sequence[str], /) -> Mapping[str, Mapping[str, Heard]]:
        """Of everybody that each of ``listeners`` heard: agents, or ``THE_NODE``."""
        ...


class SwarmHearing:
    """Of agents in one process, by their heartbeats. What is heard of one there, everybody there hears."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    def by(self, listeners: Sequence[str], /) -> Mapping[str, Mapping[str, Heard]]:
        last = self._swarm.last_heard()
        heard = {name: Heard(one.at_ns, one.authentic, one.responsive) for name, one in last.items()}
        return dict.fromkeys(listeners, heard)


class Convening:
    """Fixes epochs. ``convicted`` are those against whom there was evidence: they sit in none."""

    def __init__(
        self, identities: Identities, archive: Archive, hearing: Hearing, *, clock: Clock, offload: Offload,
        alerts: AlertSink,
    ) -> None:  # fmt: skip
        self._identities = identities
        self._archive = archive
        self._hearing = hearing
        self._clock = clock
        self._offload = offload
        self._alerts = alerts
        self.convicted: set[str] = set()

    def absent(self, names: Sequence[str]) -> frozenset[str]:
        """Who of ``names`` would be left out of an epoch that is proposed now."""
        now_ns, heard = self._clock.wall_ns(), self._hearing.by([THE_NODE])[THE_NODE]
        return frozenset(name for name in names if absence(name, heard, now_ns, self.convicted) is not None)

    async def epoch(
        self, roster: Sequence[Participant], agents: Mapping[str, Identity], *, number: int, votes: str
    ) -> Epoch:
        """A fixed epoch, on record. Raises ``EpochRefused``, ``UnjustFilter`` and ``TooFewParticipants``."""
        node, now_ns = self._identities.node, self._clock.wall_ns()
        heard = self._hearing.by([THE_NODE, *agents])
        epoch = draft(
            roster, heard[THE_NODE], number=number, votes=votes,
            fixed_by=str(node.subject), now_ns=now_ns, convicted=self.convicted,
        )  # fmt: skip
        acceptances, objections = await self._offload.run(self._answers, epoch, roster, agents, heard)
        seal = EpochSeal.of(epoch, node)
        chains = {one.member: agents[one.member].chain.to_bytes() for one in objections}
        keys = {name: identity.key.public for name, identity in agents.items()}
        try:
            assent: Assent = await self._offload.run(
                fix, epoch, roster, keys, acceptances, objections, convicted=self.convicted
            )
        except EpochRefused as error:
            await self._archive.keep_epoch(
                epoch, seal, accepted=0, refused=error.reason, objections=objections, chains=chains
            )
            level = AlertLevel.URGENT if isinstance(error, UnjustFilter) else AlertLevel.WARNING
            self._alerts.alert(level, "node", "agents do not accept an epoch", epoch=number, reason=error.reason)
            raise
        await self._archive.keep_epoch(epoch, seal, accepted=assent.weight, objections=assent.objections, chains=chains)
        for one in assent.objections:
            self._alerts.alert(
                AlertLevel.WARNING, "node", "an agent objects to an epoch", epoch=number, agent=one.member,
                about=one.about, wrong=one.wrong.value,
            )  # fmt: skip
        return epoch

    def _answers(
        self,
        epoch: Epoch,
        roster: Sequence[Participant],
        agents: Mapping[str, Identity],
        heard: Mapping[str, Mapping[str, Heard]],
    ) -> tuple[list[Acceptance], list[Objection]]:
        """What everybody says who answers at all."""
        acceptances: list[Acceptance] = []
        objections: list[Objection] = []
        for name, identity in agents.items():
            itself = heard[name].get(name)
            if itself is not None and not itself.responsive:
                continue
            said = answer(
                epoch, roster, heard[name], member=name, key=identity.key,
                now_ns=self._clock.wall_ns(), convicted=self.convicted,
            )  # fmt: skip
            if isinstance(said, Acceptance):
                acceptances.append(said)
            else:
                objections += said
        return acceptances, objections
