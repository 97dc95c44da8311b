"""Everything a node needs from outside itself, in one bag.

``open_ports`` fills it with the embedded adapters or PostgreSQL; ``phalanx.testing`` fills it
with simulated ones. The node cannot tell the difference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from phalanx.adapters.nats import ClusterAccess
from phalanx.core import (
    Blobs,
    Clock,
    EntropySource,
    FileWatch,
    HttpCaller,
    IdSource,
    Journals,
    KernelCompiler,
    Listeners,
    Offload,
    Rng,
    Store,
    Transport,
)
from phalanx.crypto import HybridSigner, SigningKey
from phalanx.crypto.entropy import NoiseSource
from phalanx.crypto.vault import KeyWrapper
from phalanx.devices import HostMetrics
from phalanx.intel.indicators import Shelf
from phalanx.intel.sharing import HttpAsks
from phalanx.node.backups._mark import RestoredFolder
from phalanx.node.cluster._join_token import JoinToken
from phalanx.posture import EndpointProbe
from phalanx.telemetry import Telemetry
from phalanx.workflows.workers import CrewLine, WorkerSeals


class LoopWatcher(Protocol):
    """Watches the event loop from outside, and tells the name of a task, for how long it held the loop, and where."""

    def start(self, limit_s: float, tell: Callable[[str, float, str], None], /) -> None: ...

    def close(self) -> None: ...


def _not_stirred(source: str, samples: bytes) -> None:
    """Where there is no pool, samples go nowhere."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise sources beside the operating system's, where their samples go, and which were left out and why."""

    sources: Sequence[NoiseSource] = ()
    stir: Callable[[str, bytes], None] = _not_stirred
    left_out: Sequence[str] = ()


class ClusterLine(Protocol):
    """Where other nodes are reached: a server of ours or of another, and who is let in at ours."""

    @property
    def serves(self) -> bool: ...

    @property
    def urls(self) -> tuple[str, ...]: ...

    async def open(
        self, address: str, telemetry: Telemetry, heard: Callable[[str, bytes], None], /
    ) -> Sequence[Transport]:
        """A transport for each path; ``heard`` is called with whoever says that it is here."""
        ...

    def states(self) -> list[tuple[str, bool, str]]: ...

    def here(self, note: bytes, /) -> None: ...

    async def invite(self, name: str, /) -> ClusterAccess: ...

    async def invite_worker(self, name: str, /) -> ClusterAccess: ...

    async def dismiss_worker(self, name: str, /) -> None: ...

    def crew_line(self, workers: Mapping[str, WorkerSeals], /) -> CrewLine | None:
        """The way to workers; ``None`` where the server is another's."""
        ...

    async def dismiss(self, name: str, /) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside of a node. ``signer`` is the node's own identity: it signs the ledger; ``machine`` is what the
    machine is called that it runs on.

    ``processes`` take work that keeps a core busy, ``process_slots`` at once;
    ``loop_watch`` notices who holds the event loop, if anything does.

    ``asks`` makes what asks other places over HTTP, trusting the certificates of a file besides the system's.

    ``shelf`` keeps tables of indicators; without one they are in memory, and made anew at each start. ``archive`` keeps
    segments of events; without it there is nothing to search in. ``host`` says how the machine is; without it nobody
    does.

    ``calendar`` keeps the reservations of several nodes; without it they are in ``store``.

    ``restored`` is there where the node has not started since its folder was restored from a backup.

    ``cluster`` is there where the settings ask for one, and ``join_token`` where the node was handed one.

    ``key_wrapper`` makes what opens the vault's root; it may ask a person, so it is called only
    by who opens the vault. ``anchor_key`` makes the key that signs the ledger's anchors, which
    takes a moment the first time. Without ``kernels`` numeric kernels are compiled where they are
    used, when they are.
    """

    clock: Clock
    rng: Rng
    ids: IdSource
    entropy: EntropySource
    store: Store
    journals: Journals
    blobs: Blobs
    offload: Offload
    signer: HybridSigner
    anchor_key: Callable[[], SigningKey]
    key_wrapper: Callable[[], KeyWrapper]
    calls: HttpCaller
    processes: Offload
    listeners: Listeners
    files: FileWatch
    endpoints: EndpointProbe
    process_slots: int = 1
    noise: Noise = Noise()
    loop_watch: LoopWatcher | None = None
    kernels: KernelCompiler | None = None
    calendar: Store | None = None
    cluster: ClusterLine | None = None
    join_token: JoinToken | None = None
    machine: str = ""
    asks: Callable[[Path | None], HttpAsks] | None = None
    shelf: Shelf | None = None
    archive: Blobs | None = None
    host: HostMetrics | None = None
    restored: RestoredFolder | None = None
