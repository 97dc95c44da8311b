"""Trying out what may be better, safely, and keeping what came of it.

Of the decisions for jobs, a bounded share is drawn evenly among the policy's choice and the devices whose expected
fidelity lies within ``SAFE_SLACK`` of it; never for an emergency or a job with a deadline. Every decision keeps how
likely it was, so that other policies can be judged by it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from phalanx.allocation._experience import EXPERIENCE, PROMOTED, Experience, PolicyValue, Promotion, refused, valued
from phalanx.allocation._learned import seen_of
from phalanx.allocation._learner import Learner, Seen
from phalanx.allocation._limits import (
    MAX_EXPERIENCE,
    MAX_PENDING_TRIALS,
    PRUNE_EVERY,
    SAFE_SLACK,
)
from phalanx.allocation._outcomes import worth_of
from phalanx.allocation._policy import Case, Policy, Preference, Ranking
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    AuditEntry,
    AuditSink,
    Clock,
    Delete,
    InvalidInput,
    Offload,
    Put,
    Rng,
    Store,
    decode,
    encode,
)
from phalanx.devices import Job, JobState

_KEY = "node"
ACTOR = "allocation"


@dataclass(frozen=True, slots=True)
class _Trial:
    """A decision that has no outcome yet."""

    policy: str
    seen: Seen
    chance: float
    picks: dict[str, str]
    expected: dict[str, float]


class Trials:
    """``share`` is how many decisions in one may be tried out. Learns from what the store has, and adds to it."""

    def __init__(
        self, store: Store, clock: Clock, offload: Offload, rng: Rng, learner: Learner, policies: Mapping[str, Policy],
        *, share: float, audit: AuditSink,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._offload, self._rng = store, clock, offload, rng
        self._learner, self._policies, self._share, self._audit = learner, policies, share, audit
        self._pending: OrderedDict[str, _Trial] = OrderedDict()
        self._written = 0

    async def recall(self) -> str:
        """Learn from what was kept, in order; returns the policy that was promoted, if one was."""
        for row in await self.experiences():
            self._learner.learn(row.seen, fidelity=row.fidelity, wait_s=row.wait_s, run_s=row.run_s)
        kept = await self._store.get(PROMOTED, DEFAULT_TENANT, _KEY)
        return "" if kept is None else msgspec.json.decode(kept.value, type=Promotion).policy

    async def experiences(self) -> list[Experience]:
        """Of all tenants, oldest first."""
        found: list[Experience] = []
        for tenant in await self._store.tenants(EXPERIENCE):
            after = ""
            while rows := await self._store.scan(EXPERIENCE, tenant, after=after):
                after = rows[-1].key
                found += [decode(row.value, Experience) for row in rows]
        return sorted(found, key=lambda row: (row.at_ns, row.id))

    def decide(self, policy: str, case: Case, ranking: Ranking, subject: str) -> Ranking:
        """The policy's ranking, or one with another device first. Maps circuits: off the event loop."""
        if not ranking.preferences:
            return ranking
        few = [one for one in ranking.preferences if one.success is not None] or list(ranking.preferences[: case.k])
        seen = {one.device: seen_of(case, one.device, one.success) for one in few}
        first = ranking.preferences[0]
        seen.setdefault(first.device, seen_of(case, first.device, first.success))
        expected = {device: self._learner.outlook(one).fidelity.mean for device, one in seen.items()}
        chosen, chance = self._draw(case, first, few, expected)
        picks: dict[str, str] = {}
        for name, other in self._policies.items():
            pick = (ranking if name == policy else other.rank(case)).preferences[0]
            picks[name] = pick.device
            if pick.device not in expected:
                looked = self._learner.outlook(seen_of(case, pick.device, pick.success))
                expected[pick.device] = looked.fidelity.mean
        self._pending[subject] = _Trial(policy, seen[chosen.device], chance, picks, expected)
        if len(self._pending) > MAX_PENDING_TRIALS:
            self._pending.popitem(last=False)
        if chosen.device == first.device:
            return ranking
        told = f"tried: within {SAFE_SLACK:.0%} of {first.device}, as one decision in {1 / self._share:.0f} may be"
        others = [one for one in ranking.preferences if one.device != chosen.device]
        return Ranking((replace(chosen, reason=told), *others), f"{chosen.device} is {told}")

    async def ended(self, job: Job) -> None:
        """Keep and learn what came of a decision; nothing where the job went on elsewhere."""
        trial = self._pending.pop(f"job {job.id}", None)
        if trial is None or job.state is not JobState.COMPLETED or job.device != trial.seen.device or job.moves:
            return
        assert job.circuit is not None, "what is tried out is placed by a policy, which knows circuits"
        fidelity = await self._offload.run(worth_of, job.circuit, job.counts)
        row = Experience(
            id=job.id, tenant=job.tenant, trace=job.trace, at_ns=self._clock.wall_ns(), policy=trial.policy,
            seen=trial.seen, chance=trial.chance, picks=trial.picks, expected=trial.expected, fidelity=fidelity,
            wait_s=(job.started_at_ns - job.at_ns) / NS_PER_S,
            run_s=(job.finished_at_ns - job.started_at_ns) / NS_PER_S,
        )  # fmt: skip
        await self._store.commit([Put(EXPERIENCE, job.tenant, job.id, encode(row))])
        self._learner.learn(row.seen, fidelity=fidelity, wait_s=row.wait_s, run_s=row.run_s)
        self._written += 1
        if self._written % PRUNE_EVERY == 0:
            every = await self.experiences()
            await self._store.commit(
                [Delete(EXPERIENCE, old.tenant, old.id) for old in every[: max(0, len(every) - MAX_EXPERIENCE)]]
            )

    async def evaluated(self) -> list[PolicyValue]:
        """Every policy by the decisions that were made, the most worth first; none before outcomes are known."""
        rows = [row for row in await self.experiences() if row.fidelity is not None]
        names = sorted({name for row in rows for name in row.picks})
        found = [
            await self._offload.run(valued, rows, name, self._rng.child(f"judge {name} {len(rows)}")) for name in names
        ]
        return sorted(found, key=lambda one: -one.worth)

    async def promote(self, policy: str, *, by: str, reason: str, force: bool = False) -> Promotion:
        """Make ``policy`` the node's, whatever its settings say. Raises ``InvalidInput`` where it may be worse."""
        if policy not in self._policies:
            raise InvalidInput("policy", f"{policy!r} is none of {', '.join(sorted(self._policies))}")
        if not force:
            judged = {one.policy: one for one in await self.evaluated()}.get(policy)
            refusal = "no decision has an outcome that is known" if judged is None else refused(judged)
            if refusal:
                raise InvalidInput("policy", f"{policy} is not promoted: {refusal}")
        made = Promotion(policy=policy, at_ns=self._clock.wall_ns(), by=by, reason=reason)
        entry = AuditEntry(
            id=f"promoted-{made.at_ns}-{policy}", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=made.at_ns, actor=ACTOR,
            action="policy promoted", subject=policy, case="", body={"by": by, "reason": reason, "forced": force},
        )  # fmt: skip
        await self._audit.record(entry)
        await self._store.commit([Put(PROMOTED, DEFAULT_TENANT, _KEY, msgspec.json.encode(made))])
        return made

    def _draw(
        self, case: Case, first: Preference, few: list[Preference], expected: dict[str, float]
    ) -> tuple[Preference, float]:
        floor = expected[first.device] - SAFE_SLACK
        safe = [first, *(one for one in few if one.device != first.device and expected[one.device] >= floor)]
        if case.steady or self._share <= 0.0 or len(safe) < 2:
            return first, 1.0
        chosen = self._rng.choice(safe) if self._rng.chance(self._share) else first
        chance = self._share / len(safe)
        return chosen, chance + (1.0 - self._share if chosen is first else 0.0)
