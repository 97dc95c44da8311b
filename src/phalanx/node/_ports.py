"""Everything a node needs from outside itself, in one bag.

``open_ports`` fills it with the embedded adapters or PostgreSQL; ``phalanx.testing`` fills it
with simulated ones. The node cannot tell the difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

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
)
from phalanx.crypto import HybridSigner, SigningKey
from phalanx.crypto.entropy import NoiseSource
from phalanx.crypto.vault import KeyWrapper


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


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside of a node. ``signer`` is the node's own identity: it signs the ledger.

    ``processes`` take work that keeps a core busy; ``loop_watch`` notices who holds the event loop, if anything does.

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
    noise: Noise = Noise()
    loop_watch: LoopWatcher | None = None
    kernels: KernelCompiler | None = None
