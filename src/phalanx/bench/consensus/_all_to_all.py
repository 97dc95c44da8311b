"""The baseline of agreement: two phases in which everybody sends its vote to everybody, as in PBFT.

Same votes, same verifier with the same memory, no leader to collect; view changes are left out, so
this is its best case. Across processes a vote crosses to each process once, as a broadcast does there.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from phalanx.bench._timing import quantile
from phalanx.bench.consensus._voters import Voters
from phalanx.consensus import (
    COMMIT,
    PREPARE,
    Epoch,
    Instance,
    Participant,
    Question,
    Vote,
    VoteSigner,
    VoteVerifier,
    Wire,
)
from phalanx.core import NS_PER_MS

_PHASES = (PREPARE, COMMIT)
# Instances of which votes may come before this process is told to take part.
_MAX_EARLY = 8


def all_to_all(voters: Voters, runs: int) -> dict[str, Any]:
    """Median time and messages of a decision."""
    times_ms, messages, size = [], 0, 0
    for run in range(runs + 1):
        participants = tuple(Participant(f"agent-{i}", "", one.root) for i, one in enumerate(voters.signers))
        question = Question(("approve", "refuse"), (1 << 200 | run).to_bytes(32))
        instance = Instance(Epoch(number=1, votes=voters.kind, participants=participants), question)
        began_ns = time.perf_counter_ns()
        messages, size = _decide(voters, instance)
        times_ms.append((time.perf_counter_ns() - began_ns) / NS_PER_MS)
    return {"decision_ms_p50": quantile(times_ms[1:], 0.5), "messages": messages, "bytes": size, "runs": runs}


def _decide(voters: Voters, instance: Instance) -> tuple[int, int]:
    verifier = voters.verifier(memo=True)
    messages, size = instance.n - 1, 0
    for phase in _PHASES:
        votes = _votes(instance, phase, dict(enumerate(voters.signers)))
        for receiver in range(instance.n):
            _require_quorum(instance, phase, [one for one in votes if one.voter != receiver], verifier)
        messages += instance.n * (instance.n - 1)
        size += instance.n * (instance.n - 1) * len(votes[0].signature)
    return messages, size


class Mutual:
    """The same across processes: this process's part, which keeps what others say before it is asked to begin."""

    def __init__(self) -> None:
        self._heard: OrderedDict[bytes, dict[int, dict[int, Vote]]] = OrderedDict()

    async def decide(
        self, instance: Instance, signers: Mapping[int, VoteSigner], wire: Wire, verifier: VoteVerifier
    ) -> None:
        """Returns once every participant of this process has verified a quorum of votes of both phases."""
        for phase in _PHASES:
            for vote in _votes(instance, phase, signers):
                self._note(vote)
                wire.send(vote.voter, None, vote)
            heard = self._of(instance.slot)[phase]
            while len(heard) < instance.quorum:
                _, _, message = await wire.receive()
                if isinstance(message, Vote) and message.phase in _PHASES:
                    self._note(message)
            for _ in signers:
                _require_quorum(instance, phase, list(heard.values()), verifier)

    def _of(self, slot: bytes) -> dict[int, dict[int, Vote]]:
        found = self._heard.setdefault(slot, {phase: {} for phase in _PHASES})
        while len(self._heard) > _MAX_EARLY:
            self._heard.popitem(last=False)
        return found

    def _note(self, vote: Vote) -> None:
        self._of(vote.slot)[vote.phase][vote.voter] = vote


def _votes(instance: Instance, phase: int, signers: Mapping[int, VoteSigner]) -> list[Vote]:
    statement = instance.vote_statement(1, phase, 0)
    return [Vote(instance.slot, place, 1, phase, 0, signer.sign(statement)) for place, signer in signers.items()]


def _require_quorum(instance: Instance, phase: int, heard: list[Vote], verifier: VoteVerifier) -> None:
    """One receiver verifies as many as it takes."""
    statement, roots = instance.vote_statement(1, phase, 0), instance.epoch.participants
    holds = verifier.verify_many(
        [(roots[one.voter].root, statement, one.signature) for one in heard[: instance.quorum]]
    )
    assert len(holds) == instance.quorum
    assert all(holds)
