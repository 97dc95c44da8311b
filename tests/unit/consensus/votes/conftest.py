import asyncio

import pytest

from phalanx.consensus.votes import KeyName, VoteKeys
from phalanx.core import DEFAULT_TENANT, Rng
from phalanx.testing import InlineOffload, SimEntropy, SimWorld

NAME = KeyName(DEFAULT_TENANT, "agent-1", "epoch-1")


class Marked:
    """A seal that shows whether it was used: it marks what it seals, and refuses what has no mark."""

    def seal(self, plaintext, aad=b""):
        return b"sealed" + aad + bytes(byte ^ 0x5A for byte in plaintext)

    def open(self, sealed, aad=b""):
        assert sealed.startswith(b"sealed" + aad)
        return bytes(byte ^ 0x5A for byte in sealed[6 + len(aad) :])


@pytest.fixture
def in_world():
    """Runs a coroutine function of a store in a simulated world."""

    def run(work, seed=7):
        world = SimWorld(seed)

        async def main(world):
            return await work(world, world.store("disk"))

        return world.run(main)

    return run


@pytest.fixture
def make():
    """Makes a vote key in a store."""

    async def make(world, store, name=NAME, height=4):
        return await VoteKeys.create(
            name, store, seal=Marked(), entropy=SimEntropy(Rng(1).child(name.participant)),
            clock=world.clock, offload=InlineOffload(), height=height,
        )  # fmt: skip

    return make


@pytest.fixture
def reopen():
    async def reopen(store, name=NAME):
        return await VoteKeys.open(name, store, seal=Marked(), offload=InlineOffload())

    return reopen


@pytest.fixture(scope="session")
def run_async():
    return asyncio.run
