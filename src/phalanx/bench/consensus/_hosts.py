"""Agreement among agents spread over several processes, each with one connection to a NATS server.

Time is from the question to the last process's knowledge of the decision. All processes and the server
share one machine, so this is the cost of crossing processes and of the server, not that of a network.
"""

import asyncio
import contextlib
import itertools
import multiprocessing
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from phalanx.adapters import SystemClock
from phalanx.adapters.nats import NatsServer, NatsServerPlan
from phalanx.bench._identities import ORGANISATION, identities_of
from phalanx.bench._timing import answer_of, cpu_s, quantile
from phalanx.bench.consensus._host import (
    OPTIONS,
    Count,
    Decide,
    Everybody,
    Join,
    Learned,
    Prepare,
    Rise,
    Share,
    Sit,
    Voting,
    question_of,
    serve,
)
from phalanx.consensus import Epoch, Instance, Participant
from phalanx.core import NS_PER_MS, NS_PER_S, Unavailable
from phalanx.telemetry import Telemetry

_PATIENT_NS = 60 * NS_PER_S
# A silent leader is waited for several times as long as a decision takes.
_VIEW_FACTOR, _MIN_VIEW_NS = 4, 20 * NS_PER_MS
_WARM_UP = 1
# What all loads of one run take of each key at most, and what is left for views that fail.
_LEAVES_EACH_RUN, _LEAVES_MORE = 14, 90
_VOTES_EACH_DECISION = 3
_FEW = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """What one decision took. ``number`` is the question's."""

    number: int
    ms: float
    cpu_ms: float
    server_cpu_ms: float
    prepared_ms: float
    certificate: bytes


class Hosts:
    """The processes, joined in one epoch. Made by ``running_hosts``."""

    def __init__(
        self, children: Sequence[tuple[BaseProcess, Connection]], epoch: Epoch, server: NatsServer, renewal_s: float
    ) -> None:
        self._children = dict(enumerate(children))
        self._processes = len(children)
        self._server = server
        self._number = 0
        self.epoch = epoch
        # CPU time of a decision's share of new keys, of all processes together.
        self.renewal_s = renewal_s

    async def join(self, now_ns: int, *, is_sealed: bool) -> None:
        """Tell each who is where, and, for what is sealed, who it is."""
        names = [f"process-{number}.{ORGANISATION}" for number in self._children]
        homes = {place: names[place % self._processes] for place in range(len(self.epoch.participants))}
        plain = Join(self.epoch.to_bytes(), homes, self._server.url)
        if not is_sealed:
            await self.order(plain)
            return
        root, identities = identities_of(names, now_ns)
        anchors = {root.fingerprint: str(root.subject)}
        for (_, pipe), name in zip(self._children.values(), names, strict=True):
            pipe.send(replace(plain, identity=identities[name].to_bytes(), anchors=anchors))
        await self._answers()

    def places(self, process: int) -> frozenset[int]:
        """Whose participants live in a process."""
        return frozenset(range(process, len(self.epoch.participants), self._processes))

    async def kill(self, process: int) -> None:
        """End one process as a crash would; its participants are silent from now on."""
        child, _ = self._children.pop(process)
        child.kill()
        await asyncio.to_thread(child.join)

    async def order(self, what: Any, *, of: int | None = None, instead: Any = None) -> list[Any]:
        """The answer of each process; process ``of`` is told ``instead``. Raises ``Unavailable`` with what is wrong."""
        for number, (_, pipe) in self._children.items():
            pipe.send(instead if number == of else what)
        return await self._answers()

    async def _answers(self) -> list[Any]:
        answers = [await asyncio.to_thread(answer_of, pipe) for _, pipe in self._children.values()]
        for answer in answers:
            if isinstance(answer, str):
                raise Unavailable("a process of the benchmark", answer)
        return answers

    async def decide(self, *, away: frozenset[int], led_by_absent: bool = False) -> Decision:
        """One more question, whose first leader is among ``away`` or is not."""
        prepared_s = sum(await self.order(Prepare()))
        self._number = number = next(
            one
            for one in itertools.count(self._number + 1)
            if (Instance(self.epoch, question_of(one)).leader(1) in away) == led_by_absent
        )
        asker = next(one for one in self._children if self.places(one) - away)
        server_s = cpu_s(self._server.pid)
        found = await self.order(Decide(number, ask=False), of=asker, instead=Decide(number, ask=True))
        return self._decision(number, found, prepared_s, server_s)

    async def everybody(self) -> Decision:
        """One more question, to which everybody tells everybody its votes."""
        prepared_s = sum(await self.order(Prepare()))
        self._number += 1
        server_s = cpu_s(self._server.pid)
        return self._decision(self._number, await self.order(Everybody(self._number)), prepared_s, server_s)

    def _decision(self, number: int, found: Sequence[Learned | None], prepared_s: float, server_s: float) -> Decision:
        learned = [one for one in found if one is not None]
        if {one.option for one in learned} != {OPTIONS[0]}:
            raise Unavailable("a decision", "processes learned of different ones")
        asked_ns = min(one.asked_ns for one in learned if one.asked)
        return Decision(
            number=number,
            ms=(max(one.known_ns for one in learned) - asked_ns) / NS_PER_MS,
            cpu_ms=sum(one.cpu_s for one in learned) * 1e3,
            server_cpu_ms=(cpu_s(self._server.pid) - server_s) * 1e3,
            prepared_ms=prepared_s * 1e3,
            certificate=learned[0].certificate,
        )


@contextlib.asynccontextmanager
async def running_hosts(
    agents: int, processes: int, *, votes: str, runs: int, is_sealed: bool = True
) -> AsyncIterator[Hosts]:
    """``processes`` with their share of ``agents`` each, and a NATS server between them."""
    context = multiprocessing.get_context("spawn")
    children: list[tuple[BaseProcess, Connection]] = []
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="phalanx-bench-") as folder:
        server = await NatsServer.start(NatsServerPlan(Path(folder)), clock=clock, telemetry=Telemetry(clock))
        try:
            for number in range(processes):
                ours, theirs = context.Pipe()
                share = Share(number, processes, agents, votes, _LEAVES_EACH_RUN * runs + _LEAVES_MORE)
                child = context.Process(target=serve, args=(share, theirs), daemon=True)
                child.start()
                theirs.close()
                children.append((child, ours))
            voting: list[Voting] = [await asyncio.to_thread(answer_of, pipe) for _, pipe in children]
            participants = tuple(
                Participant(f"agent-{place}", "", voting[place % processes].roots[place // processes])
                for place in range(agents)
            )
            epoch = Epoch(number=1, votes=votes, participants=participants)
            renewal_s = sum(one.made_s for one in voting) / max(1, share.leaves // _VOTES_EACH_DECISION)
            hosts = Hosts(children, epoch, server, renewal_s)
            await hosts.join(clock.wall_ns(), is_sealed=is_sealed)
            yield hosts
        finally:
            # They hold nothing that would have to be put away.
            for started, _ in children:
                started.kill()
                await asyncio.to_thread(started.join)
            await server.stop()


async def across_processes(
    agents: int, processes: int, *, votes: str, runs: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Every load, as in one process; one process killed, with all of its participants; and all to all."""
    async with running_hosts(agents, processes, votes=votes, runs=runs) as hosts:
        third = frozenset(range((agents - 1) // 3))
        tell(f"{agents} agents, {votes}: {runs} decisions")
        found: dict[str, Any] = await _measured(hosts, runs)
        tell(f"{agents} agents, {votes}: each verifies each vote itself")
        found["without_memo"] = await _measured(hosts, _FEW, memo=False)
        tell(f"{agents} agents, {votes}: {len(third)} silent, {len(third)} traitors, the first leader silent")
        found["third_silent"] = await _measured(hosts, max(_FEW, runs // 2), away=third)
        found["third_traitors"] = await _measured(hosts, max(_FEW, runs // 2), traitors=third)
        view_ns = max(_MIN_VIEW_NS, int(_VIEW_FACTOR * found["decision_ms_p50"] * NS_PER_MS))
        found["first_leader_silent"] = await _measured(
            hosts, max(_FEW, runs // 4), away=frozenset({0}), led_by_absent=True, view_ns=view_ns
        )
        found["first_leader_silent"]["view_ms"] = view_ns / NS_PER_MS
        tell(f"{agents} agents, {votes}: everybody to everybody")
        found["all_to_all"] = await _mutual(hosts, max(_FEW, runs // 4))
        lost = processes - 1
        if len(hosts.places(lost)) <= (agents - 1) // 3:
            tell(f"{agents} agents, {votes}: one process killed")
            await hosts.kill(lost)
            found["one_process_killed"] = await _measured(hosts, max(_FEW, runs // 4), away=hosts.places(lost))
        return found


async def honest_only(agents: int, processes: int, *, votes: str, runs: int, is_sealed: bool = True) -> dict[str, Any]:
    """Decisions with no fault, for a baseline."""
    async with running_hosts(agents, processes, votes=votes, runs=runs, is_sealed=is_sealed) as hosts:
        return await _measured(hosts, runs)


async def _mutual(hosts: Hosts, runs: int) -> dict[str, Any]:
    await hosts.order(Sit(frozenset(), frozenset(), _PATIENT_NS))
    await hosts.order(Rise())
    done = [await hosts.everybody() for _ in range(runs + _WARM_UP)][_WARM_UP:]
    messages, sent_bytes = map(sum, zip(*await hosts.order(Count()), strict=True))
    return {
        "decision_ms_p50": quantile([one.ms for one in done], 0.5),
        "cpu_ms_per_decision": sum(one.cpu_ms for one in done) / runs,
        "messages_between_processes": round(messages / (runs + _WARM_UP)),
        "bytes_between_processes": round(sent_bytes / (runs + _WARM_UP)),
        "runs": runs,
    }


async def _measured(
    hosts: Hosts, runs: int, *, away: frozenset[int] = frozenset(), traitors: frozenset[int] = frozenset(),
    led_by_absent: bool = False, view_ns: int = _PATIENT_NS, memo: bool = True,
) -> dict[str, Any]:  # fmt: skip
    await hosts.order(Sit(away, traitors, view_ns, memo))
    # Whoever cannot sign cannot lead either: traitors are live, and the first leader is not among them.
    done = [await hosts.decide(away=away | traitors, led_by_absent=led_by_absent) for _ in range(runs + _WARM_UP)][
        _WARM_UP:
    ]
    times_ms = [one.ms for one in done]
    messages, sent_bytes = map(sum, zip(*await hosts.order(Count()), strict=True))
    spent_ms = sum(times_ms) + sum(one.prepared_ms for one in done)
    return {
        "decision_ms_p50": quantile(times_ms, 0.5),
        "decision_ms_p99": quantile(times_ms, 0.99),
        "cpu_ms_per_decision": sum(one.cpu_ms for one in done) / runs,
        "nats_server_cpu_ms_per_decision": sum(one.server_cpu_ms for one in done) / runs,
        "prepare_cpu_ms_per_decision": sum(one.prepared_ms for one in done) / runs,
        "renewal_cpu_ms_per_decision": hosts.renewal_s * 1e3,
        "decisions_per_s": 1e3 * runs / spent_ms,
        # As if one core made leaves and keys for all processes, one after another.
        "decisions_per_s_with_renewal": 1e3 * runs / (spent_ms + runs * hosts.renewal_s * 1e3),
        "runs": runs,
        "messages_between_processes": round(messages / (runs + _WARM_UP)),
        "bytes_between_processes": round(sent_bytes / (runs + _WARM_UP)),
        "certificate_bytes": len(done[-1].certificate),
    }
