"""Participants with vote keys of one kind, made for a benchmark."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from phalanx.consensus import ML_DSA, WOTS, MlDsaVerifier, MlDsaVotes, VoteVerifier
from phalanx.consensus.votes import KeyName, VoteKeys, WotsVerifier
from phalanx.core import DEFAULT_TENANT
from phalanx.testing import SimWorld

__all__ = ["ML_DSA", "WOTS", "Voters", "make_voters"]

_MIN_HEIGHT, _MAX_HEIGHT = 4, 13


class _Open:
    """Seals nothing: the keys of a benchmark protect nothing."""

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:  # noqa: ARG002 - a seal's signature
        return plaintext

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:  # noqa: ARG002
        return sealed


@dataclass(slots=True)
class Voters:
    """``signers`` by place; ``made_s`` is the CPU time that making their keys took, ``leaves`` what each can sign."""

    kind: str
    signers: Sequence[Any]
    made_s: float
    leaves: int
    question: int = 0

    @property
    def n(self) -> int:
        return len(self.signers)

    def verifier(self, *, memo: bool) -> VoteVerifier:
        """What checks their votes, with nothing remembered from an earlier run."""
        if self.kind == ML_DSA:
            return MlDsaVerifier(memo=memo)
        return WotsVerifier() if memo else WotsVerifier(remember=0)

    def prepare(self) -> float:
        """Make the next leaves of everybody ready; the CPU seconds that took."""
        if self.kind == ML_DSA:
            return 0.0
        began_ns = time.process_time_ns()
        for signer in self.signers:
            signer.prepare()
        return (time.process_time_ns() - began_ns) / 1e9

    def decisions_in_keys(self, votes_each: int) -> int:
        return max(1, self.leaves // votes_each)


async def make_voters(n: int, kind: str, *, votes: int, seed: int = 1) -> Voters:
    """``n`` participants whose keys can sign ``votes`` each; others for another ``seed``."""
    if kind == ML_DSA:
        began_ns = time.process_time_ns()
        signers = [MlDsaVotes.generate() for _ in range(n)]
        return Voters(kind, signers, (time.process_time_ns() - began_ns) / 1e9, 1 << 20)
    height = min(_MAX_HEIGHT, max(_MIN_HEIGHT, (votes - 1).bit_length()))
    world = SimWorld(seed)
    began_ns = time.process_time_ns()

    async def make(world: SimWorld) -> list[VoteKeys]:
        store = world.store("voters")
        made = []
        for place in range(n):
            key = await VoteKeys.create(
                KeyName(DEFAULT_TENANT, f"agent-{place}", f"{kind}-{votes}"), store, seal=_Open(),
                entropy=world.entropy, clock=world.clock, offload=world.offload, height=height,
            )  # fmt: skip
            await key.reserve(1 << height)
            made.append(key)
        return made

    signers = await _in_world(world, make)
    return Voters(kind, signers, (time.process_time_ns() - began_ns) / 1e9, 1 << height)


async def _in_world(world: SimWorld, make: Any) -> Any:
    # A world has an event loop of its own, and one thread runs one loop.
    return await asyncio.get_running_loop().run_in_executor(None, world.run, make)
