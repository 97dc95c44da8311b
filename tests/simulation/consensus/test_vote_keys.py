"""A participant votes while its power fails: no leaf ever signs two statements."""

import pytest

from phalanx.consensus.votes import KeyName, LeavesExhausted, VoteKeys, WotsVerifier
from phalanx.core import DEFAULT_TENANT, NotFound, StorageError
from phalanx.testing import DiskFaults, Faults, InlineOffload, SimEntropy, SimWorld

NAME = KeyName(DEFAULT_TENANT, "agent-1", "epoch-1")
LIVES = 6


class Plain:
    def seal(self, plaintext, aad=b""):
        return plaintext

    def open(self, sealed, aad=b""):
        return sealed


def lives(seed, faults):
    """What was signed in all lives of a participant: (leaf, statement) pairs, and its root."""
    world = SimWorld(seed, faults=Faults(disk=faults))
    votes, roots = [], set()

    async def life(node):
        try:
            await vote(node)
        except (LeavesExhausted, StorageError):
            return  # the key is used up, or the disk shows what was done to it

    async def vote(node):
        store = world.store(node.name)
        try:
            keys = await VoteKeys.open(NAME, store, seal=Plain(), offload=InlineOffload())
        except NotFound:
            keys = await VoteKeys.create(
                NAME, store, seal=Plain(), entropy=SimEntropy(node.rng.child("key")), clock=world.clock,
                offload=InlineOffload(), height=8,
            )  # fmt: skip
        roots.add(keys.root)
        for n in range(40):
            await keys.reserve(1)
            statement = f"{node.incarnation}/{n}".encode()
            signature = keys.sign(statement)
            votes.append((keys.root, int.from_bytes(signature[:4]), statement, signature))
            await world.clock.sleep(node.rng.exponential(0.001))

    async def main(world):
        node = world.node("voter")
        for _ in range(LIVES):
            node.start(life)
            await world.clock.sleep(world.rng.exponential(0.02))
            await node.crash(power_loss=world.rng.chance(0.7))

    world.run(main)
    return votes


@pytest.mark.requirement("CON-3")
def test_no_leaf_signs_twice_whatever_the_crashes():
    signed = 0
    for seed in range(30):
        votes = lives(seed, DiskFaults(tail_lost=0.5, tail_torn=0.5, tail_kept=0.3))
        leaves = [(root, leaf) for root, leaf, _, _ in votes]
        assert len(leaves) == len(set(leaves)), f"seed {seed}"
        assert all(WotsVerifier().verify_many([(root, s, signature) for root, _, s, signature in votes])), (
            f"seed {seed}"
        )
        signed += len(votes)
    assert signed > 500


def test_a_disk_that_lies_about_syncing_is_noticed():
    """With leaves that only seem taken, some leaf signs twice: the checker can fail."""
    doubled = 0
    for seed in range(40):
        leaves = [(root, leaf) for root, leaf, _, _ in lives(seed, DiskFaults(lying_sync=0.3, tail_lost=1.0))]
        doubled += len(leaves) != len(set(leaves))
    assert doubled > 0
