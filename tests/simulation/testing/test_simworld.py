"""A small protocol over a bad network and crashing disks, judged from outside, and repeated to the bit.

Three nodes keep notes. A client hands each note to some node and asks again until it is told
that the note is safe; nodes tell each other what they have. The checker knows only what the
client was promised, and reads the disks.
"""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from phalanx.core import DEFAULT_TENANT, Put, Table
from phalanx.testing import ROUGH_NETWORK, DiskFaults, Faults, SimWorld

NOTES = Table("notes")
NODES = ("ada", "bob", "cyd")
N_NOTES = 12


class NoteKeeper:
    """The program of a node. ``hasty`` plants a bug: it promises, and writes a little later."""

    def __init__(self, *, hasty):
        self.hasty = hasty

    async def __call__(self, node):
        self.store = node.world.store(node.name)
        self.transport = node.world.transport(node.name)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.gossip(node))
            while True:
                sender, datagram = await self.transport.receive()
                group.create_task(self.take(node, sender, datagram.decode().split("+")))

    async def take(self, node, sender, notes):
        if self.hasty and sender == "client":
            self.transport.send(sender, "+".join(notes).encode())
            await node.world.clock.sleep(0.01)
        await self.store.commit([Put(NOTES, DEFAULT_TENANT, note, b"") for note in notes])
        if sender == "client" and not self.hasty:
            self.transport.send(sender, "+".join(notes).encode())

    async def gossip(self, node):
        rng = node.rng.child("gossip")
        while True:
            await node.world.clock.sleep(rng.uniform(0.02, 0.06))
            rows = await self.store.scan(NOTES, DEFAULT_TENANT)
            peer = rng.choice([name for name in NODES if name != node.name])
            if rows:
                self.transport.send(peer, "+".join(row.key for row in rows).encode())


@dataclass
class Story:
    """What the client did and was promised, and what is on the disks in the end."""

    offered: list[str] = field(default_factory=list)
    promised: list[str] = field(default_factory=list)
    found: dict[str, list[str]] = field(default_factory=dict)
    crashes: int = 0

    def violations(self):
        for name, notes in self.found.items():
            yield from (f"{name} lost {note}" for note in self.promised if note not in notes)
            yield from (f"{name} made up {note}" for note in notes if note not in self.offered)


async def client(world, story):
    transport, rng = world.transport("client"), world.rng.child("client")
    for n in range(N_NOTES):
        story.offered.append(note := f"note-{n:02d}")
        while note not in story.promised:
            transport.send(rng.choice(NODES), note.encode())
            try:
                async with asyncio.timeout(0.05):
                    story.promised += (await transport.receive())[1].decode().split("+")
            except TimeoutError:
                continue


async def trouble(world, program, story):
    rng = world.rng.child("trouble")
    while True:
        await world.clock.sleep(rng.exponential(0.03))
        victim = rng.choice(NODES)
        match rng.integer(0, 4):
            case 0:
                world.network.cut([victim], [name for name in (*NODES, "client") if name != victim])
            case 1:
                world.network.heal()
            case _:
                await world.node(victim).crash(power_loss=rng.chance(0.7))
                world.node(victim).start(program)
                story.crashes += 1


def play(seed, *, hasty=False, disk=None):
    """One run: its world and story."""
    story = Story()
    world = SimWorld(seed, faults=Faults(network=ROUGH_NETWORK, disk=disk or DiskFaults()))

    async def start(node):
        await NoteKeeper(hasty=hasty)(node)

    async def main(world):
        for name in NODES:
            world.node(name).start(start)
        troublemaker = asyncio.create_task(trouble(world, start, story))
        await client(world, story)
        troublemaker.cancel()
        await asyncio.wait([troublemaker])
        world.network.heal()
        await world.clock.sleep(2)  # long enough for gossip to reach everyone
        for name in NODES:
            await world.node(name).crash()
            store = world.store(name)
            story.found[name] = [row.key for row in await store.scan(NOTES, DEFAULT_TENANT)]

    world.run(main)
    return world, story


def test_promised_notes_survive_everywhere():
    crashes = 0
    for seed in range(25):
        _, story = play(seed)
        assert list(story.violations()) == [], f"seed {seed}"
        assert len(set(story.promised)) == N_NOTES, f"seed {seed}"
        crashes += story.crashes
    assert crashes > 100


@pytest.mark.parametrize(
    "bug",
    [{"hasty": True}, {"disk": DiskFaults(lying_sync=1.0)}],
    ids=["promises before it is durable", "the disk skips its syncs"],
)
def test_a_planted_bug_is_found(bug):
    assert any(violation for seed in range(25) for violation in caught(seed, **bug))


def caught(seed, **bug):
    try:
        return list(play(seed, **bug)[1].violations())
    except Exception as error:  # noqa: BLE001 - a store that cannot open any more counts as well
        return [repr(error)]


def test_one_seed_gives_one_run_and_another_seed_another():
    (first, story), (again, story_again), (other, _) = play(11), play(11), play(12)
    assert list(first.trace) == list(again.trace)
    assert first.trace == again.trace
    assert first.loop.steps == again.loop.steps
    assert story == story_again
    assert first.trace != other.trace
    assert len({play(seed)[0].trace.digest() for seed in range(8)}) == 8
    kinds = {entry.what for entry in first.trace}
    assert {"send", "receive", "lost", "cut", "heal", "crash", "power-loss", "append-sync", "found"} <= kinds


def test_a_run_does_not_depend_on_the_process_it_runs_in():
    script = "from phalanx.testing import run_seeds; print([r.digest for r in run_seeds('storage', 3, 3)])"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert "', '" in digests.pop()
