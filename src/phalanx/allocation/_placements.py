"""Where the circuits of a node go: its policy over its fleet, with load and calibration read at each decision.

A result of one kind does not become one of another unasked: where nobody says what results are to be, only devices of
the least disturbed kind that fits are compared (an ideal simulator, the emulation of a machine, a machine). What is
known of a device is written to the board when its provider says something new; what waits there, and for how long
others have booked it, at every decision.
"""

import asyncio
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import replace

from phalanx.allocation._board import Board
from phalanx.allocation._booked import Booked
from phalanx.allocation._deciding import Decider, warm_decisions
from phalanx.allocation._errors import NothingFits
from phalanx.allocation._explaining import Explanation, checked_policies, explained
from phalanx.allocation._failover import Breakers
from phalanx.allocation._layouts import Layouts, standing_of
from phalanx.allocation._limits import (
    FIRST_RUN_S,
    MAX_KNOWN_CIRCUITS,
    MAX_RECENT_DECISIONS,
    MIN_PATIENCE_S,
    MIN_RUNS_PREDICTED,
    SHORTLIST,
)
from phalanx.allocation._machines import Machines
from phalanx.allocation._plain import run_seconds
from phalanx.allocation._policies import Compiled
from phalanx.allocation._policy import Case, Policy, Preference, Ranking, is_ideal
from phalanx.allocation._requirement import Requirement, requirement_of, wanted_of
from phalanx.allocation._run_times import RunTimes
from phalanx.allocation._shapes import Shape
from phalanx.allocation._trying import Trials
from phalanx.allocation._waiting import JobNow, JobWait, for_a_device, opens_in_s, others_windows, own_window
from phalanx.allocation.limits import DeviceLimits
from phalanx.allocation.money import OwnPrices
from phalanx.core import NS_PER_S, Circuit, Clock, InvalidInput, Offload, Origin, TenantId
from phalanx.devices import (
    Chosen,
    DeviceModel,
    Fleet,
    Job,
    Jobs,
    JobState,
    Wish,
    beyond_emulation,
    in_short,
    unwished,
)
from phalanx.quantum import features

_DISTURBED = (Origin.SIMULATED, Origin.EMULATED, Origin.HARDWARE)
_SAME = 1e-9


class Placements:
    """A ``devices.Chooser`` by policies. ``slots`` is how many circuits a device runs at once."""

    def __init__(
        self, fleet: Fleet, clock: Clock, offload: Offload, policies: Mapping[str, Policy], *, policy: str,
        k: int = SHORTLIST, slots: int = 1, trials: Trials | None = None, breakers: Breakers | None = None,
        limits: DeviceLimits | None = None, own_prices: OwnPrices | None = None,
    ) -> None:  # fmt: skip
        self.trials, self.limits, self._own_prices = trials, limits, own_prices
        self._fleet, self._clock, self._offload = fleet, clock, offload
        self.policies = dict(policies)
        self.policy = checked_policies(policies, policy).name
        self._k, self._slots = k, slots
        self._models: list[DeviceModel] = fleet.devices()
        self._board = Board([standing_of(model) for model in self._models])
        self._layouts = Layouts()
        self._open: Counter[str] = Counter()
        self._took: dict[str, RunTimes] = {}
        self.breakers = breakers or Breakers()
        self._machines = Machines(fleet, self._models, clock, self._board, self.breakers, limits, self._run_s)
        self.booked = Booked()
        self._recent: dict[TenantId, deque[Explanation]] = {}
        self._counts: OrderedDict[str, tuple[Requirement, bool]] = OrderedDict()
        # Layouts are kept without a lock of their own: one decision that lays out at a time.
        self._turn = asyncio.Lock()
        self._warm = False

    async def choose(self, wish: Wish, /) -> Chosen:
        """Raises ``NothingFits``."""
        await self._priced_anew()
        if wish.program is not None:
            self._look(wish.tenant)
            found = self._machines.find(wish.program, wish, self._paused())
            if wish.subject and found.device:
                self._keep(wish.tenant, found)
            return self._machines.chosen(found)
        case, policy = self._case(wish), checked_policies(self.policies, self.policy)
        if not case.fitting:
            raise NothingFits(case.wanted.told(), in_short(self._refusals(wish)))
        if not wish.subject:
            ranking = await self._ranked(policy, case)
            return self._chosen(ranking.reason, ranking.preferences)
        found = await self._decided(policy, case, wish.subject)
        self._keep(wish.tenant, found)
        return self._chosen(
            found.reason, tuple(Preference(one.device, one.score, one.reason) for one in found.devices if one.fits)
        )

    def refusal(self, device: str, wish: Wish, /) -> str:
        """Fidelity, deadline and money as where devices are chosen; that it is closed or paused a name stands above."""
        model = self._model(device)
        if said := unwished(model, wish):
            return said
        if wish.program is not None:
            self._look(wish.tenant)
            return self._machines.refusal(wish.program, wish, model)
        assert wish.circuit is not None, wish
        self._look(wish.tenant)
        board = self._board.copy()
        board.set_open(device, is_open=True)
        # What it must be able to do is checked by who runs it.
        wanted = replace(wanted_of(self._read(wish.circuit)[0], wish), features=0)
        (found,) = (one for one in Decider(board).decide(wanted).considered() if one.name == device)
        return "" if found.fits else f"it {found.reason}"

    async def _decided(self, policy: Policy, case: Case, subject: str) -> Explanation:
        """For a job: what is tried out is tried here, where a layout tells devices apart."""
        if self.trials is None or not self._lays_out(policy, case):
            return await self._explained(policy, case, subject)
        async with self._turn:
            await self._offload.run(self._loaded)
            ranking = await self._offload.run(policy.rank, case)
            ranking = await self._offload.run(self.trials.decide, policy.name, case, ranking, subject)
        return explained(policy, case, subject=subject, at_ns=self._clock.wall_ns(), ranking=ranking)

    def use(self, policy: str) -> None:
        """Place by another policy from now on. Raises ``InvalidInput`` when there is none of the name."""
        self.policy = checked_policies(self.policies, policy).name

    async def explain(self, wish: Wish, *, policy: str = "") -> Explanation:
        """Where it would go now, by a policy other than the node's if one is named. Nothing is sent or kept."""
        await self._priced_anew()
        if wish.program is not None:
            if policy:
                raise InvalidInput("policy", "compares circuits by their gates, and this program has none")
            self._look(wish.tenant)
            return self._machines.find(wish.program, wish, self._paused())
        return await self._explained(checked_policies(self.policies, policy or self.policy), self._case(wish), "")

    def explain_shape(self, shape: Shape, wish: Wish) -> Explanation:
        """Where something of that shape would go now, by the compiled shortlist: there is no circuit to lay out."""
        return explained(Compiled("shortlist"), self._case(wish, shape))

    def lasts_s(self, device: str, shape: Shape, shots: int) -> float:
        """How long so many shots of it take there, by what runs took, or else by what the device says of itself."""
        known = self._took.get(device)
        if known is not None and known.n >= MIN_RUNS_PREDICTED:
            return known.quantile(0.9)
        wanted = replace(requirement_of(shape), shots=shots)
        return max(FIRST_RUN_S, float(run_seconds(self._board.rows, wanted.row)[self._board.place(device)]))

    def recent(self, tenant: TenantId) -> list[Explanation]:
        """The latest decisions for jobs of a tenant, newest first."""
        return list(reversed(self._recent.get(tenant, ())))

    def _keep(self, tenant: TenantId, found: Explanation) -> None:
        self._recent.setdefault(tenant, deque(maxlen=MAX_RECENT_DECISIONS)).append(found)

    def sent(self, device: str, /) -> None:
        self._open[device] += 1
        self.breakers.began(device, self._provider(device))

    def back(self, device: str, /) -> None:
        self._open[device] = max(0, self._open[device] - 1)
        if not self._open[device]:
            # Of several, the one that tries whether the device works again may be still there.
            self.breakers.gave_up(device, self._provider(device))

    def failed(self, device: str, /) -> None:
        """After a few in a row others are kept away for a while."""
        self.breakers.failed(device, self._provider(device), self._clock.monotonic_ns())

    def held_s(self, device: str, /) -> float | None:
        provider, now_ns = self._provider(device), self._clock.monotonic_ns()
        return (
            None if self.breakers.allows(device, provider, now_ns) else self.breakers.pause_s(device, provider, now_ns)
        )

    def patience_s(self, device: str, /) -> float:
        """The predicted 99th percentile of a run there, once enough have ended; vendors' waits are added."""
        known = self._took.get(device)
        if known is None or known.n < MIN_RUNS_PREDICTED:
            return math.inf
        waits_ns = self._fleet.backend(device).device.queue.wait_ns_p99 or 0
        return max(MIN_PATIENCE_S, known.quantile(0.99)) + waits_ns / NS_PER_S

    def opens_s(self, device: str, tenant: TenantId, /) -> float:
        """By the calendar and by how long runs take there (nine of ten), once enough have ended."""
        known = self._took.get(device)
        lasts_s = FIRST_RUN_S if known is None or known.n < MIN_RUNS_PREDICTED else known.quantile(0.9)
        return self.booked.wait_s(device, tenant, self._clock.wall_ns(), lasts_s)

    def leaves_s(self, device: str, tenant: TenantId, /) -> float:
        return self.booked.next_s(device, tenant, self._clock.wall_ns())

    def kept_away(self, device: str) -> str:
        """In words, where work is kept away from a device since it, or its provider, failed."""
        pause_s = self.breakers.pause_s(device, self._provider(device), self._clock.monotonic_ns())
        if pause_s is None:
            return ""
        return f"paused after failures, for {pause_s:,.0f} s" if pause_s else "one run is let through after failures"

    def now(self, job: Job, jobs: Jobs, *, seen_by: TenantId) -> JobNow:
        """A job as it is shown: with what it waits for."""
        rests = jobs.rests(job)
        waits = self.waits(job, seen_by=seen_by) if rests is None else for_a_device(*rests)
        return JobNow(**{name: getattr(job, name) for name in job.__struct_fields__}, waits=waits)

    def waits(self, job: Job, *, seen_by: TenantId) -> JobWait | None:
        """What a job that has not begun waits for, where that is a window."""
        now_ns = self._clock.wall_ns()
        if job.state is not JobState.QUEUED or job.handle:
            return None
        if job.wishes.not_before_ns > now_ns:
            return own_window(job)
        left_s = self.opens_s(job.device, job.tenant)
        if left_s <= 0.0:
            return None
        until_ns = now_ns + round(left_s * NS_PER_S)
        return others_windows(job, until_ns, self.booked.whose(job.device, job.tenant, now_ns, until_ns), seen_by)

    async def told(self, job: Job, /) -> None:
        """A run that completed says how long runs take there."""
        if job.state is JobState.COMPLETED:
            self.breakers.worked(job.device, self._provider(job.device))
            if job.started_at_ns:
                took_s = (job.finished_at_ns - job.started_at_ns) / NS_PER_S
                self._took.setdefault(job.device, RunTimes()).learn(took_s)
        if self.trials is not None:
            await self.trials.ended(job)

    def _provider(self, device: str) -> str:
        return self._fleet.backend(device).device.provider

    def _case(self, wish: Wish, shape: Shape | None = None) -> Case:
        case: Case | None = None
        for _, case in self._cases(wish, shape):
            if case.shortlisted.n_fit:
                break
        assert case is not None
        return case

    def _refusals(self, wish: Wish) -> dict[str, str]:
        """Why no device takes it, of each as it was asked among its own kind."""
        kinds = {model.name: model.origin for model in self._models}
        found: dict[str, str] = {}
        for kind, case in self._cases(wish, None):
            own = [one for one in case.refused() if wish.origin is not None or kinds[one.name] is kind]
            found |= {one.name: one.reason for one in own}
        return found

    def _cases(self, wish: Wish, shape: Shape | None) -> Iterator[tuple[Origin, Case]]:
        """One for each kind of result, the least disturbed first; machines that are stale come last of their kind."""
        assert wish.circuit is not None, wish
        self._look(wish.tenant)
        counts, is_clifford = self._read(wish.circuit) if shape is None else (requirement_of(shape), shape.is_clifford)
        wanted = wanted_of(counts, wish)
        steady = wish.emergency or wish.deadline_s < float("inf")
        kinds = _DISTURBED if wish.origin is None else (wish.origin,)
        for kind, stale in [(one, stale) for one in kinds for stale in self._stale(one)]:
            excluded = stale | self._excluded(wish, kind, is_clifford)
            board = self._board.copy()
            for name in excluded:
                board.set_open(name, is_open=False)
            yield kind, Case(
                wish.circuit, wanted, board, self._models, self._layouts, self._k, excluded, steady,
                self._clock.wall_ns(),
            )  # fmt: skip

    def _excluded(self, wish: Wish, kind: Origin, is_clifford: bool) -> dict[str, str]:  # noqa: FBT001 - a property
        unlike = f"{kind.value} ones are " + ("asked for" if wish.origin is not None else "less disturbed")
        found = {
            model.name: f"gives {model.origin.value} results, and {unlike}"
            for model in self._models
            if model.origin is not kind
        }
        found |= {
            model.name: "runs what names it, and nothing else"
            if model.only_by_name
            else "runs only gates that a stabiliser simulator knows"
            for model in self._models
            if model.only_by_name or (model.features.clifford_only and not is_clifford)
        }
        found |= {model.name: "runs no gates" for model in self._models if not model.features.gates}
        if wish.circuit is not None:
            found |= beyond_emulation(self._models, wish.circuit)
        return found | self._paused() | {name: why for name, why in wish.without.items() if name in self._board.names}

    def _stale(self, kind: Origin) -> list[dict[str, str]]:
        limits = self.limits
        if limits is None or kind is not Origin.HARDWARE:
            return [{}]
        found = {model.name: told for model in self._models if (told := limits.stale(model))}
        return [found, {}] if found else [{}]

    def _run_s(self, device: str) -> float:
        """How long one run takes there, by those that ended."""
        return self._took[device].mean_s if device in self._took else FIRST_RUN_S

    def _paused(self) -> dict[str, str]:
        now_ns = self._clock.monotonic_ns()
        return {
            model.name: "is paused after failures"
            for model in self._models
            if not self.breakers.allows(model.name, model.provider, now_ns)
        }

    async def _priced_anew(self) -> None:
        if self._own_prices is not None:
            await self._own_prices.refresh()

    def _model(self, device: str) -> DeviceModel:
        """As its provider says it is now, at the price that this node has for it."""
        model = self._fleet.backend(device).device
        return model if self._own_prices is None else self._own_prices.of(model)

    def _look(self, tenant: TenantId) -> None:
        """Write what has changed to the board: devices and their prices, every queue, and what is booked."""
        now_ns = self._clock.wall_ns()
        for at, (name, known) in enumerate(zip(self._board.names, self._models, strict=True)):
            model = self._model(name)
            if model is not known:
                self._models[at] = model
                self._board.put(standing_of(model))
            n_open = self._open[name]
            waiting = max(0, n_open + 1 - self._slots)
            run_s = self._run_s(name)
            # Where a vendor says how many wait, but not how long: as long as runs took here, one after the other.
            known_ns, depth = model.queue.wait_ns_p50, model.queue.depth or 0
            wait_s = depth * run_s if known_ns is None else known_ns / NS_PER_S
            wait_s += waiting * run_s / self._slots
            if model.windows:
                wait_s += opens_in_s(model.windows, now_ns)
            wait_s += self.booked.wait_s(name, tenant, now_ns + round(wait_s * NS_PER_S), run_s)
            self._board.set_load(name, min(1.0, n_open / self._slots), wait_s)

    def _read(self, circuit: Circuit) -> tuple[Requirement, bool]:
        """Counts of a circuit, and whether it is of Clifford gates alone.

        Kept, since an estimate asks for the same few circuits again and again.
        """
        found = self._counts.get(circuit.digest)
        if found is None:
            seen = features(circuit)
            found = self._counts[circuit.digest] = (requirement_of(seen), seen.is_clifford)
            if len(self._counts) > MAX_KNOWN_CIRCUITS:
                self._counts.popitem(last=False)
        return found

    async def _ranked(self, policy: Policy, case: Case) -> Ranking:
        if not self._lays_out(policy, case):
            return policy.rank(case)
        async with self._turn:
            return await self._offload.run(self._with_kernels, policy, case)

    async def _explained(self, policy: Policy, case: Case, subject: str) -> Explanation:
        at_ns = self._clock.wall_ns() if subject else 0
        if not self._lays_out(policy, case):
            return explained(policy, case, subject=subject, at_ns=at_ns)
        async with self._turn:
            await self._offload.run(self._loaded)
            return await self._offload.run(explained, policy, case, subject=subject, at_ns=at_ns)

    @staticmethod
    def _lays_out(policy: Policy, case: Case) -> bool:
        return policy.by_layout and not all(is_ideal(case.model(name)) for name in case.fitting)

    def _with_kernels(self, policy: Policy, case: Case) -> Ranking:
        self._loaded()
        return policy.rank(case)

    def _loaded(self) -> None:
        """Mapping loads a compiler anyway: from then on decisions are compiled too."""
        if not self._warm:
            warm_decisions()
            self._warm = True

    def _chosen(self, reason: str, preferences: tuple[Preference, ...]) -> Chosen:
        first = preferences[0]
        provider = self._fleet.backend(first.device).device.provider
        alike = frozenset(
            one.device
            for one in preferences
            if abs(one.score - first.score) <= _SAME and self._fleet.backend(one.device).device.provider == provider
        )
        return Chosen(first.device, reason, tuple(one.device for one in preferences), alike)
