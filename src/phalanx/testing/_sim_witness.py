"""Simulation ``witness``: three witnesses of one ledger, which in half of the seeds keeps two histories.

The log shows each witness the history it chose for it, now and then the other one, and answers
questions from one history, not always from the one that it showed. Witnesses crash and lose power
at any moment, also between keeping a head and signing it; calls are cut. In the end everything
heals, both histories go on, and the witnesses gossip: until a log goes on it may owe a proof, and
one that owes a proof is not convicted.

What must hold: a witness never cosigns two histories, or a smaller tree after a larger one; two
that cosigned two histories find it out, with evidence that is true; an honest log is never
accused.
"""

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING

from phalanx.core import HttpAnswer, HttpCaller, Rng, Unavailable
from phalanx.testing._audit import MemoryAudit
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._errors import PowerLost
from phalanx.testing._logs import SimLog
from phalanx.testing._world import SimNode, SimWorld

if TYPE_CHECKING:
    from phalanx.crypto import HybridSigner
    from phalanx.ledger.witness import Gossip, SplitView, Witness
    from phalanx.testing._calls import Handler

NAME = "witness"
_WITNESSES = ("w0", "w1", "w2")
_SIDES = ("true", "lie")
_STEPS = 24
# More than two rounds of gossip, each way, after everything healed.
_HEALED_S = 200.0


@lru_cache(maxsize=1)
def _signers() -> "dict[str, HybridSigner]":
    from phalanx.crypto import HybridSigner

    return {name: HybridSigner.generate() for name in ("log", *_WITNESSES)}


class _Site:
    """One witness as a program: what it was told survives in its store, nothing else."""

    def __init__(self, world: SimWorld, name: str, side: str, logs: dict[str, SimLog]) -> None:
        self._world = world
        self._logs = logs
        self.name = name
        self.side = side
        self.found: list[SplitView] = []

    async def program(self, node: SimNode) -> None:
        from phalanx.ledger.witness import Cosigner, Gossip, Seen, TrustedLog, WatchedLog, Witness
        from phalanx.telemetry import Alerts, Telemetry

        world, store, signer = self._world, self._world.store(node.name), _signers()[self.name]
        telemetry = Telemetry(world.clock)
        log = TrustedLog.of(self._logs["true"].origin, self._logs["true"].public_key)
        gossip = Gossip(
            Seen(store), SimLog(signer, world.clock), [WatchedLog(log, f"http://{self.side}")],
            [f"http://{name}" for name in _WITNESSES if name != self.name],
            calls=world.calls.of(self.name), clock=world.clock, telemetry=telemetry,
            alerts=Alerts(telemetry), audit=MemoryAudit(),
        )  # fmt: skip
        witness = Witness(store, Cosigner(signer), [log], clock=world.clock, telemetry=telemetry, on_seen=gossip.saw)
        world.calls.serve(f"http://{self.name}", _handler(gossip, witness))
        while True:
            await gossip.round()
            self.found = [found.evidence for found in await gossip.split_views()]
            await world.clock.sleep(60.0)


def _handler(gossip: "Gossip", witness: "Witness | None") -> "Handler":
    from phalanx.ledger.witness import WitnessRefused

    async def handler(path: str, body: bytes) -> HttpAnswer:
        try:
            if path.endswith("gossip") or witness is None:
                return HttpAnswer(200, "application/json", await gossip.answer(body, source="call"))
            return HttpAnswer(200, "text/plain", (await witness.add_checkpoint(body)).encode())
        except WitnessRefused as refused:
            return HttpAnswer(refused.refusal.value, "text/x.tlog.size", f"{refused.size}\n".encode())
        except PowerLost as error:
            raise Unavailable("the witness", "it lost power") from error

    return handler


class _Run:
    """One seed: the log with its histories, the witnesses, and what each cosigned."""

    def __init__(self, world: SimWorld, checker: Checker) -> None:
        self.world = world
        self.checker = checker
        self.rng: Rng = world.rng.child("witness")
        log = SimLog(_signers()["log"], world.clock)
        log.append(*(b"%d" % n for n in range(self.rng.integer(1, 6))))
        self.lies = self.rng.chance(0.5)
        self.logs = {"true": log, "lie": log.fork(self.rng.integer(0, log.size)) if self.lies else log}
        self.sites = [_Site(world, name, self.rng.choice(_SIDES), self.logs) for name in _WITNESSES]
        self.cosigned: dict[str, list[tuple[int, str]]] = {name: [] for name in _WITNESSES}
        self.calls: HttpCaller = world.calls.of("log")

    async def go(self) -> None:
        """From the first entry to the judgement."""
        for side in _SIDES:
            self._serve_log(side)
        for site in self.sites:
            self.world.node(site.name).start(site.program)
        for _ in range(_STEPS):
            await self._step()
        self.world.calls.heal()
        await self._go_on()
        for site in self.sites:
            await self._ask(site, site.side)
        await self.world.clock.sleep(_HEALED_S)
        self._judge()

    async def _go_on(self) -> None:
        """Let every history grow beyond all that was cosigned."""
        sizes = [size for heads in self.cosigned.values() for size, _ in heads]
        for side, log in self.logs.items():
            while log.size <= max((*sizes, 0)):
                log.append(f"{side} goes on {log.size}".encode())
            await log.checkpoint()

    async def _step(self) -> None:
        site = self.rng.choice(self.sites)
        kind = self.rng.weighted(("append", "ask", "crash", "cut", "heal", "wait"), (4, 8, 2, 1, 1, 2))
        self.checker.count(kind)
        if kind == "append":
            side = self.rng.choice(_SIDES)
            self.logs[side].append(
                *(f"{side} {self.logs[side].size} {n}".encode() for n in range(self.rng.integer(1, 5)))
            )
        elif kind == "ask":
            await self._ask(site, site.side if self.rng.chance(0.9) else self.rng.choice(_SIDES))
        elif kind == "crash":
            asking = asyncio.ensure_future(self._ask(site, self.rng.choice(_SIDES)))
            await self.world.clock.sleep(self.rng.random() * 0.1)
            self.world.calls.stop(f"http://{site.name}")
            node = self.world.node(site.name)
            await node.crash(power_loss=self.rng.chance(0.7))
            await asking
            node.start(site.program)
            await self.world.clock.sleep(1.0)
        elif kind == "cut":
            self.world.calls.cut(self.rng.choice(("log", *_WITNESSES)), f"http://{site.name}")
        elif kind == "heal":
            self.world.calls.heal()
        else:
            await self.world.clock.sleep(self.rng.exponential(40.0))

    async def _ask(self, site: _Site, side: str) -> None:
        """As a log asks, starting where the witness says it is. A liar is as helpful as an honest log."""
        from phalanx.ledger.witness import AddCheckpoint

        log, old = self.logs[side], 0
        checkpoint = await log.checkpoint()
        for _ in range(2):
            _, path = await log.prefix(min(old, checkpoint.size), checkpoint.size)
            request = AddCheckpoint(old, tuple(path), checkpoint.note).to_bytes()
            try:
                answer = await self.calls.post(
                    f"http://{site.name}/add-checkpoint", request, content_type="", max_bytes=1 << 20, within_s=2.0
                )
            except Unavailable:
                self.checker.count("no answer")
                return
            if answer.status != 409:
                break
            old = int(answer.body)
        self.checker.count(f"answer {answer.status}")
        if answer.status == 200:
            self.cosigned[site.name].append((checkpoint.size, checkpoint.root))

    def _serve_log(self, side: str) -> None:
        from phalanx.ledger.witness import Gossip, Seen
        from phalanx.telemetry import Alerts, Telemetry

        telemetry = Telemetry(self.world.clock)
        gossip = Gossip(
            Seen(self.world.store(f"log {side}")), self.logs[side], [], [],
            calls=self.world.calls.of(side), clock=self.world.clock, telemetry=telemetry,
            alerts=Alerts(telemetry), audit=MemoryAudit(),
        )  # fmt: skip
        self.world.calls.serve(f"http://{side}", _handler(gossip, None))

    def _judge(self) -> None:
        for name, heads in self.cosigned.items():
            sizes = [size for size, _ in heads]
            self.checker.require(sizes == sorted(sizes), "a smaller tree was cosigned after a larger one", name, sizes)
            self.checker.require(self._is_one_history(heads), "one witness cosigned two histories", name, heads)
        newest = [heads[-1] for heads in self.cosigned.values() if heads]
        found = [evidence for site in self.sites for evidence in site.found]
        if not self._is_one_history(newest):
            self.checker.count("two histories")
            self.checker.require(found, "two histories were cosigned and nobody noticed", newest)
        for evidence in found:
            self.checker.count("evidence")
            heads = [(size, root) for size, root in map(_said, (evidence.first, evidence.second))]
            self.checker.require(not self._is_one_history(heads), "an honest log is accused", heads)

    def _is_one_history(self, heads: list[tuple[int, str]]) -> bool:
        """Whether one of the two histories has all of these, by the log's own account of it."""
        return any(all(log.root_at(size) == root for size, root in heads) for log in self.logs.values())


def _said(note: str) -> tuple[int, str]:
    """Size and root of a note, read without the code that is tried here."""
    import base64

    _, size, root = note.split("\n")[:3]
    return int(size), base64.b64decode(root).hex()


def witness_simulation() -> Simulation:
    """See the module."""
    return Simulation(NAME, "witnesses of a ledger that may lie, with crashes and cut lines", _run)


def _run(seed: int) -> SimReport:
    checker = Checker()
    world = SimWorld(seed)
    run: list[_Run] = []

    async def main(world: SimWorld) -> None:
        run.append(_Run(world, checker))
        await run[0].go()

    return judged_in(world, main, checker, simulation=NAME)
