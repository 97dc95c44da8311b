"""The baseline of agreement: two phases in which everybody sends its vote to everybody, as in PBFT.

Same votes, same verifier with the same memory, no leader to collect; view changes are left out, so
this is its best case.
"""

import time
from typing import Any

from phalanx.bench._timing import quantile
from phalanx.bench._voters import Voters
from phalanx.consensus import COMMIT, PREPARE, Epoch, Instance, Participant, Question, Vote
from phalanx.core import NS_PER_MS


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
    verifier, roots = voters.verifier(memo=True), [one.root for one in voters.signers]
    messages, size = instance.n - 1, 0
    for phase in (PREPARE, COMMIT):
        statement = instance.vote_statement(1, phase, 0)
        votes = [
            Vote(instance.slot, place, 1, phase, 0, signer.sign(statement))
            for place, signer in enumerate(voters.signers)
        ]
        for receiver in range(instance.n):
            heard = [one for one in votes if one.voter != receiver][: instance.quorum]
            holds = verifier.verify_many([(roots[one.voter], statement, one.signature) for one in heard])
            assert all(holds)
        messages += instance.n * (instance.n - 1)
        size += instance.n * (instance.n - 1) * len(votes[0].signature)
    return messages, size
