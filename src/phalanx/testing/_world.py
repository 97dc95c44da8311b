"""A whole world from one seed: virtual time, nodes, network, disks, and what happened.

``SimWorld(seed).run(main)`` runs ``main(world)`` to its end. The same seed gives the same run, down to every choice
of the scheduler; ``world.trace`` is there to compare. Only the bytes of keys and signatures differ, because they
always come from the operating system.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from phalanx.adapters.storage import FolderBlobs, SegmentJournals
from phalanx.core import KIB, Rng, Transport, Uuid7Source
from phalanx.testing._calls import SimCalls
from phalanx.testing._disk import SimDisk
from phalanx.testing._errors import BackgroundFailure, PowerLost, SimulationError, Unstoppable
from phalanx.testing._faults import DiskFaults, Faults
from phalanx.testing._limits import MAX_CRASH_CLEANUP_S, MAX_CRASH_ROUNDS, MAX_STEPS
from phalanx.testing._loop import OWNER, describe, new_loop, owner_of
from phalanx.testing._network import SimNetwork
from phalanx.testing._reach import SimEndpoints, SimFileWatch, SimListeners
from phalanx.testing._sources import WORLD_START_NS, InlineOffload, SimClock, SimEntropy
from phalanx.testing._store import SimStore
from phalanx.testing._wrapper import MemoryWrapper

if TYPE_CHECKING:
    from phalanx.crypto import HybridSigner, SigningKey
    from phalanx.node import Ports

T = TypeVar("T")

# Small, so that a short run already rolls over into new segments.
SIM_SEGMENT_BYTES = 64 * KIB


class SimWorld:
    """See the module. Everything in it draws from its own child of ``rng``."""

    def __init__(
        self, seed: int, *, faults: Faults | None = None, max_steps: int = MAX_STEPS,
        start_wall_ns: int = WORLD_START_NS,
    ) -> None:  # fmt: skip
        self.seed = seed
        self.faults = faults or Faults()
        self.rng = Rng(seed)
        self.loop = new_loop(self.rng.child("schedule"), max_steps=max_steps)
        self.trace = self.loop.trace
        self.clock = SimClock(self.loop, start_wall_ns=start_wall_ns)
        self.ids = Uuid7Source(self.clock, self.rng.child("ids").bits)
        self.entropy = SimEntropy(self.rng.child("entropy"))
        self.offload = InlineOffload()
        self.network = SimNetwork(self.loop, self.rng.child("network"), self.faults.network)
        self.calls = SimCalls(self.clock, self.rng.child("calls"))
        self._disks: dict[str, SimDisk] = {}
        self._nodes: dict[str, SimNode] = {}
        self._dead: dict[str, None] = {}
        self.loop.set_exception_handler(self._note_failure)

    def run(self, main: Callable[["SimWorld"], Coroutine[Any, Any, T]]) -> T:
        """Run ``main`` and stop everything it left behind.

        Raises what ``main`` raises, with the seed noted on it; else ``BackgroundFailure`` if something that nobody
        waited for failed.
        """
        try:
            result = self.loop.run_until_complete(main(self))
        except BaseException as error:
            error.add_note(f"in SimWorld(seed={self.seed}) at {self.loop.time():.6f} s of virtual time")
            self._shut_down_quietly()
            raise
        self.loop.shut_down()
        self._raise_background_failures()
        return result

    def node(self, name: str) -> "SimNode":
        """The machine of that name; created, and idle, if it is new."""
        if name not in self._nodes:
            self._nodes[name] = SimNode(self, name)
        return self._nodes[name]

    def disk(self, name: str, *, faults: DiskFaults | None = None) -> SimDisk:
        """The disk of that name in its present power cycle. ``faults`` apply if it is new."""
        disk = self._disks.get(name)
        if disk is None:
            disk = SimDisk(self.loop, name, self.rng.child(f"disk/{name}"), faults or self.faults.disk)
        while disk.successor is not None:
            disk = disk.successor
        self._disks[name] = disk
        return disk

    def transport(self, address: str) -> Transport:
        """The endpoint of ``address``, which belongs to the node that asks for it."""
        return self.network.transport(address)

    def ports(self, node_name: str) -> "Ports":
        """What a node needs from outside, simulated. Opens its disk anew at every call."""
        return self.node(node_name).ports()

    def journals(
        self, disk_name: str, folder: str = "journals", *, segment_bytes: int = SIM_SEGMENT_BYTES
    ) -> SegmentJournals:
        """The journals in a folder of a disk, opened anew."""
        return SegmentJournals(
            self.disk(disk_name),
            folder,
            entropy=self.entropy,
            offload=self.offload,
            segment_bytes=segment_bytes,
        )

    def store(self, disk_name: str) -> SimStore:
        """The store on a disk, opened anew."""
        return SimStore(self.journals(disk_name, "store"))

    def bury(self, owner: str) -> None:
        """Expect nothing more of an incarnation: what its remains raise from now on is not a failure."""
        self._dead[owner] = None

    def _shut_down_quietly(self) -> None:
        try:
            self.loop.shut_down()
        except SimulationError as error:
            self.trace.note("world", "shutdown-failed", str(error))

    def _note_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if owner_of(context) not in self._dead and not isinstance(context.get("exception"), PowerLost):
            loop.default_exception_handler(context)

    def _raise_background_failures(self) -> None:
        errors = [error for node in self._nodes.values() for error in node.failures()]
        errors += [failure.get("exception") or RuntimeError(failure["message"]) for failure in self.loop.failures]
        if errors:
            raise BackgroundFailure(
                f"in SimWorld(seed={self.seed}) {len(errors)} background tasks failed, first: {errors[0]!r}",
                errors=tuple(errors),
            ) from errors[0]


class SimNode:
    """A machine: one program at a time, a disk that outlives it, and a place in the network."""

    def __init__(self, world: SimWorld, name: str) -> None:
        self.world = world
        self.name = name
        self.incarnation = 1
        self._signer: HybridSigner | None = None
        self._anchor_key: SigningKey | None = None
        self._wrapper: MemoryWrapper | None = None
        self.listeners = SimListeners()
        self.files = SimFileWatch(world.clock)
        self.endpoints = SimEndpoints()
        self._main: asyncio.Task[Any] | None = None
        self._failures: list[BaseException] = []

    @property
    def owner(self) -> str:
        """Marks the tasks of this incarnation."""
        return f"{self.name}#{self.incarnation}"

    @property
    def rng(self) -> Rng:
        """The start of this incarnation's random streams; take children of it."""
        return self.world.rng.child(f"node/{self.owner}")

    def start(self, main: Callable[["SimNode"], Coroutine[Any, Any, T]]) -> "asyncio.Task[T]":
        """Run ``main(node)`` as the program of this machine until it ends or the machine crashes."""
        assert self._main is None or self._main.done(), f"{self.name} is running"
        self.world.trace.note(self.name, "start", self.incarnation)
        context = copy_context()
        context.run(OWNER.set, self.owner)
        self._main = task = self.world.loop.create_task(main(self), name=self.name, context=context)
        return task

    async def crash(self, *, power_loss: bool = True) -> None:
        """Kill the program now; afterwards ``start`` boots it again.

        With ``power_loss`` the disk loses everything it was not told to keep; without it only the process dies.
        Disk and network are gone first, then the tasks are cancelled: their cleanup can no longer reach anything,
        as if it had never run.
        """
        loop, owner = self.world.loop, self.owner
        self._failures = self.failures()
        assert all(task is not asyncio.current_task() for task in loop.tasks(owner)), "a node cannot crash itself"
        self.world.trace.note(self.name, "crash" if power_loss else "kill", self.incarnation)
        disk = self.world.disk(self.name)
        disk.crash() if power_loss else disk.kill()
        self.world.network.lose_power(owner)
        self.world.bury(owner)
        for _ in range(MAX_CRASH_ROUNDS):
            live = loop.tasks(owner)
            if not live:
                break
            for task in live:
                task.cancel()
            ended, _ = await asyncio.wait(live, timeout=MAX_CRASH_CLEANUP_S)
            for task in ended:
                task.cancelled() or task.exception()  # retrieved, so that asyncio does not complain
        if still := loop.tasks(owner):
            raise Unstoppable(tuple(describe(task) for task in still))
        self._main = None
        self.listeners = SimListeners()
        self.incarnation += 1

    def failures(self) -> list[BaseException]:
        """Failures of its programs by themselves, in all incarnations."""
        if self._main is None or not self._main.done() or self._main.cancelled():
            return self._failures
        error = self._main.exception()
        return self._failures if error is None else [*self._failures, error]

    def _make_anchor_key(self) -> "SigningKey":
        from phalanx.crypto import SLH_DSA_SHA2_128F, SigningKey

        # The fast variant: a simulation of many days signs many anchors.
        if self._anchor_key is None:
            self._anchor_key = SigningKey.generate(SLH_DSA_SHA2_128F)
        return self._anchor_key

    def ports(self) -> "Ports":
        """See ``SimWorld.ports``."""
        from phalanx.crypto import HybridSigner
        from phalanx.node import Ports

        if self._signer is None:
            self._signer = HybridSigner.generate()
        world, rng = self.world, self.rng
        if self._wrapper is None:
            self._wrapper = MemoryWrapper(SimEntropy(rng.child("key wrapper")))
        wrapper = self._wrapper
        return Ports(
            clock=world.clock,
            rng=rng,
            ids=Uuid7Source(world.clock, rng.child("ids").bits),
            entropy=SimEntropy(rng.child("entropy")),
            store=world.store(self.name),
            journals=world.journals(self.name),
            blobs=FolderBlobs(world.disk(self.name), "artefacts"),
            archive=FolderBlobs(world.disk(self.name), "archive"),
            offload=world.offload,
            signer=self._signer,
            anchor_key=self._make_anchor_key,
            key_wrapper=lambda: wrapper,
            calls=world.calls.of(self.name),
            processes=world.offload,
            listeners=self.listeners,
            files=self.files,
            endpoints=self.endpoints,
        )
