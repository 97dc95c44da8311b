"""How long agreement takes, in one process: with real votes, faults and traitors, beside its baselines.

Time is from the question to the last participant's knowledge of the decision. All participants of a run
share one process and its two cores, as agents of one host do; nothing crosses a network. A silent
leader costs the length of a view, which is a setting: its figure says how long that was.
"""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile, settled_in
from phalanx.bench.consensus._all_to_all import all_to_all
from phalanx.bench.consensus._hosts import across_processes, honest_only
from phalanx.bench.consensus._voters import ML_DSA, WOTS, Voters, make_voters
from phalanx.consensus import (
    PREPARE,
    Checks,
    Epoch,
    Fixed,
    Hub,
    Instance,
    Machine,
    Participant,
    Question,
    Vote,
    encode_message,
)
from phalanx.core import NS_PER_MS, NS_PER_S, InvalidInput

AGENTS = (4, 31, 100, 300, 847)
_OPTIONS = ("approve", "refuse")
# A silent leader is waited for this long: several times what a decision takes, or more views would pass.
_VIEW_NS, _VIEW_NS_EACH = 20 * NS_PER_MS, NS_PER_MS // 2
_STEP = 1 << 20
# Signatures that one run takes of each participant at most, for which leaves are made.
_VOTES_EACH_RUN = 3
_WARM_UP = 1
# Every participant verifies every vote itself: half a minute for one decision of the largest size.
_MEMO_MAX = 100
_FEW = 3


async def consensus_bench(options: BenchOptions) -> BenchResult:
    """Every size that was asked for, under every load."""
    if options.processes > 1:
        return await _across(options)
    sizes = options.agents or (AGENTS[:3] if options.quick else AGENTS)
    figures: dict[str, Any] = {}
    baselines: dict[str, Any] = {"ml_dsa_votes": {}, "all_to_all": {}}
    ratios: dict[str, float] = {}
    for n in sizes:
        _require_enough(n)
        name, loads = f"n{n}", _loads_of(n, quick=options.quick)
        options.tell(f"{n} agents: making keys")
        voters = await make_voters(n, WOTS, votes=_VOTES_EACH_RUN * (sum(loads.values()) + 4 * _WARM_UP + 6))
        with settled_in():
            figures[name] = _figures(voters, loads, options)
            options.tell(f"{n} agents: the baselines, votes signed ML-DSA and everybody to everybody")
            few = max(_FEW, loads["honest"] // 10)
            ml_dsa = baselines["ml_dsa_votes"][name] = _measured(await make_voters(n, ML_DSA, votes=0), few)
            everybody = baselines["all_to_all"][name] = all_to_all(await make_voters(n, WOTS, votes=40), _FEW)
        for baseline, found in (("ml_dsa_votes", ml_dsa), ("all_to_all", everybody)):
            ratio = found["decision_ms_p50"] / figures[name]["decision_ms_p50"]
            ratios[f"{name}.{baseline}.decision_ms_p50"] = ratio
        ratios[f"{name}.all_to_all.messages"] = everybody["messages"] / figures[name]["messages"]
    return BenchResult(
        load={
            "agents": list(sizes), "votes": WOTS, "processes": 1, "network": "none: in process",
            "durable": "no: agents' keys live in memory",
            "across_processes": "measured with --processes 4",
            "renewal": "decisions_per_s_with_renewal is of one core: a decision, its leaves, and its share of new keys",
            "collector": "what is there to stay is frozen, as in a node that has settled in (`phalanx up`)",
        },
        figures=figures, baselines=baselines, ratios=ratios,
    )  # fmt: skip


async def _across(options: BenchOptions) -> BenchResult:
    """The same with agents spread over processes; one process and votes signed ML-DSA are what it is compared with."""
    sizes = options.agents or AGENTS[: 2 if options.quick else 3]
    figures: dict[str, Any] = {}
    baselines: dict[str, Any] = {"one_process": {}, "ml_dsa_votes": {}, "all_to_all": {}, "in_the_clear": {}}
    ratios: dict[str, float] = {}
    for n in sizes:
        _require_enough(n)
        name, runs, few = f"n{n}", *((10, _FEW) if options.quick else (100, 10))
        # Before others, so that kernels are compiled once and not in each process at the same time.
        options.tell(f"{n} agents in one process")
        voters = await make_voters(n, WOTS, votes=_VOTES_EACH_RUN * (few + 20))
        with settled_in():
            baselines["one_process"][name] = _measured(voters, few)
        options.tell(f"{n} agents in {options.processes} processes: making keys")
        found = await across_processes(n, options.processes, votes=WOTS, runs=runs, tell=options.tell)
        baselines["all_to_all"][name] = found.pop("all_to_all")
        figures[name] = found
        baselines["ml_dsa_votes"][name] = await honest_only(n, options.processes, votes=ML_DSA, runs=few)
        options.tell(f"{n} agents in {options.processes} processes, with nothing sealed")
        baselines["in_the_clear"][name] = await honest_only(n, options.processes, votes=WOTS, runs=few, is_sealed=False)
        for against, compared in baselines.items():
            ratios[f"{name}.{against}.decision_ms_p50"] = (
                compared[name]["decision_ms_p50"] / figures[name]["decision_ms_p50"]
            )
    return BenchResult(
        load={
            "agents": list(sizes), "votes": WOTS, "processes": options.processes,
            "network": "NATS on this machine, one connection for each process",
            "sealed": "end to end, by the channels that nodes use; the baseline in_the_clear is not",
            "durable": "no: agents' keys live in memory",
            "renewal": "decisions_per_s_with_renewal is as if one core made leaves and keys for all processes",
        },
        figures=figures, baselines=baselines, ratios=ratios,
    )  # fmt: skip


def _require_enough(n: int) -> None:
    if n < 4:
        raise InvalidInput("--agents", "faults take at least 4")


def _loads_of(n: int, *, quick: bool) -> dict[str, int]:
    """How often each load is run. A 99th percentile takes a hundred of the one that has a bar."""
    share = max(1, n // 30)
    runs, honest = (max(5, 100 // share),) * 2 if quick else (max(20, 400 // share), max(100, 400 // share))
    return {"honest": honest, "silent": max(3, runs // 2), "traitors": max(3, runs // 2), "leader": max(3, runs // 4)}


def _view_ns(n: int) -> int:
    return _VIEW_NS + n * _VIEW_NS_EACH


def _figures(voters: Voters, loads: Mapping[str, int], options: BenchOptions) -> dict[str, Any]:
    n, third = voters.n, (voters.n - 1) // 3
    options.tell(f"{n} agents: {loads['honest']} decisions")
    found: dict[str, Any] = _measured(voters, loads["honest"])
    renewal_s = voters.made_s / voters.decisions_in_keys(_VOTES_EACH_RUN)
    found["renewal_cpu_ms_per_decision"] = renewal_s * 1e3
    spent_ms = found["cpu_ms_per_decision"] + found["prepare_cpu_ms_per_decision"]
    found["decisions_per_s_with_renewal"] = 1.0 / (spent_ms / 1e3 + renewal_s)
    options.tell(f"{n} agents: each verifies each vote itself")
    found["without_memo"] = _measured(voters, 3 if n <= _MEMO_MAX else 1, memo=False, warm_up=0)
    options.tell(f"{n} agents: {third} silent")
    found["third_silent"] = _measured(voters, loads["silent"], silent=third)
    options.tell(f"{n} agents: {third} traitors")
    found["third_traitors"] = _measured(voters, loads["traitors"], traitors=third)
    options.tell(f"{n} agents: the first leader silent")
    found["first_leader_silent"] = _measured(voters, loads["leader"], leader=True)
    found["first_leader_silent"]["view_ms"] = _view_ns(n) / NS_PER_MS
    return found


def _measured(
    voters: Voters,
    runs: int,
    *,
    silent: int = 0,
    traitors: int = 0,
    leader: bool = False,
    memo: bool = True,
    warm_up: int = _WARM_UP,
) -> dict[str, float]:
    times_ms: list[float] = []
    cpu_ms: list[float] = []
    prepared_ms: list[float] = []
    last: dict[str, int] = {}
    for _ in range(runs + warm_up):
        run = _Run(voters, silent=silent, traitors=traitors, leader=leader, memo=memo)
        prepared_ms.append(voters.prepare() * 1e3)
        began_ns, began_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        run.play()
        times_ms.append((time.perf_counter_ns() - began_ns) / NS_PER_MS)
        cpu_ms.append((time.process_time_ns() - began_cpu_ns) / NS_PER_MS)
        last = run.counted()
    times_ms, cpu_ms, prepared_ms = times_ms[warm_up:], cpu_ms[warm_up:], prepared_ms[warm_up:]
    return {
        "decision_ms_p50": quantile(times_ms, 0.5),
        "decision_ms_p99": quantile(times_ms, 0.99),
        "cpu_ms_per_decision": sum(cpu_ms) / len(cpu_ms),
        # What is done between decisions, so that the next one is quick.
        "prepare_cpu_ms_per_decision": sum(prepared_ms) / len(times_ms),
        "decisions_per_s": 1e3 * len(times_ms) / (sum(times_ms) + sum(prepared_ms)),
        "runs": len(times_ms),
        **last,
    }


class _Run:
    """One decision among participants of one process; some silent, some voting twice and for junk."""

    def __init__(self, voters: Voters, *, silent: int, traitors: int, leader: bool, memo: bool) -> None:
        participants = tuple(Participant(f"agent-{i}", "", signer.root) for i, signer in enumerate(voters.signers))
        epoch = Epoch(number=1, votes=voters.kind, participants=participants)
        voters.question += 1
        instance = Instance(epoch, Question(_OPTIONS, voters.question.to_bytes(32)))
        first = instance.leader(1)
        others = [(first + 2 + i) % voters.n for i in range(voters.n - 2)]
        self._away = {first} if leader else set(others[:silent])
        self._traitors = set(others[:traitors])
        verifier = voters.verifier(memo=memo)
        checks = Checks(instance, verifier, memo=memo)
        self._instance = instance
        present = [place for place in range(voters.n) if place not in self._away]
        self._hub = Hub(
            instance,
            {
                place: Machine(
                    checks, place, signer=voters.signers[place],
                    judge=Fixed(1 if place in self._traitors else 0, 0),
                    view_ns=_view_ns(voters.n) if leader else NS_PER_S * 60, deadline_ns=1 << 62,
                )
                for place in present
            },
        )  # fmt: skip
        self._junk: deque[int] = deque(sorted(self._traitors))

    def play(self) -> None:
        hub = self._hub
        hub.start(time.perf_counter_ns())
        hub.flush()
        while not hub.settled:
            if not hub.busy and hub.next_wake_ns is not None:
                time.sleep(max(0, hub.next_wake_ns - time.perf_counter_ns()) / NS_PER_S)
            hub.step(time.perf_counter_ns(), _STEP)
            self._disturb()
            hub.flush()

    def _disturb(self) -> None:
        """Traitors add a vote of junk for each real one they cast."""
        while self._junk:
            place = self._junk.popleft()
            leader = self._instance.leader(1)
            junk = Vote(self._instance.slot, place, 1, PREPARE, 0, bytes(4_500))
            self._hub.put(leader, place, junk)

    def counted(self) -> dict[str, int]:
        hub, decision = self._hub, self._hub.decision
        assert decision is not None
        certificate = len(encode_message(decision))
        vote = certificate // len(decision.voters)
        return {
            "messages": hub.messages,
            "certificate_bytes": certificate,
            # Two votes from each participant; a proposal and two certificates once to each host.
            "bytes_one_host": self._instance.n * 2 * vote + vote + 2 * certificate,
            "bytes_a_host_each": self._instance.n * (3 * vote + 2 * certificate),
        }
