import pytest

from phalanx.core import AlertLevel
from phalanx.crypto import HybridSigner
from phalanx.ledger.witness import (
    AddCheckpoint,
    Cosigner,
    Gossip,
    Seen,
    TrustedLog,
    WatchedLog,
    Witness,
    Witnesses,
    WitnessPeer,
)
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, SimLog, SimWorld


class Alerted:
    def __init__(self):
        self.all = []

    def alert(self, level, room, text, **context):
        self.all.append((level, text))

    def texts(self, level=AlertLevel.URGENT):
        return [text for one, text in self.all if one is level]


class Place:
    """Somewhere with a store: a node as far as witnessing goes."""

    def __init__(self, world, name, signer, watched=(), neighbours=(), own=None):
        self.world = world
        self.name = name
        self.signer = signer
        self.own = own or SimLog(signer, world.clock)
        self.store = world.store(name)
        self.alerts, self.audit = Alerted(), MemoryAudit()
        self.telemetry = Telemetry(world.clock)
        self.gossip = Gossip(
            Seen(self.store),
            self.own,
            watched,
            neighbours,
            calls=world.calls.of(name),
            clock=world.clock,
            telemetry=self.telemetry,
            alerts=self.alerts,
            audit=self.audit,
        )
        self.cosigner = Cosigner(signer)
        self.witness = self.new_witness([one.log for one in watched])

    def new_witness(self, logs):
        return Witness(
            self.store,
            self.cosigner,
            logs,
            clock=self.world.clock,
            telemetry=Telemetry(self.world.clock),
            on_seen=self.gossip.saw,
        )

    def witnesses(self, peers, *, quorum=0):
        return Witnesses(
            self.own,
            self.store,
            peers,
            quorum=quorum,
            calls=self.world.calls.of(self.name),
            clock=self.world.clock,
            telemetry=self.telemetry,
            alerts=self.alerts,
        )

    def serve(self, url):
        """Answer gossip and add-checkpoint below ``url``, as the API does."""
        from phalanx.core import HttpAnswer
        from phalanx.ledger.witness import GOSSIP_PATH, SIZE_TYPE, Refusal, WitnessRefused

        async def handler(path, body):
            if path == GOSSIP_PATH:
                return HttpAnswer(200, "application/json", await self.gossip.answer(body, source="call"))
            try:
                return HttpAnswer(200, "text/plain", (await self.witness.add_checkpoint(body)).encode())
            except WitnessRefused as refused:
                is_size = refused.refusal is Refusal.CONFLICT
                body = f"{refused.size}\n" if is_size else refused.message
                return HttpAnswer(refused.refusal.value, SIZE_TYPE if is_size else "text/plain", body.encode())

        self.world.calls.serve(url, handler)

    def peer(self, url):
        return WitnessPeer(self.cosigner.keys, url)


async def asked(log, witness, old=None):
    """The log asks the witness to cosign its head, from the size it cosigned last."""
    if old is None:
        heads = {head.origin: head.size for head in await witness.heads()}
        old = heads.get(log.origin, 0)
    _, path = await log.prefix(min(old, log.size), log.size)
    note = (await log.checkpoint()).note
    return await witness.add_checkpoint(AddCheckpoint(old, tuple(path), note).to_bytes())


@pytest.fixture(scope="session")
def keys():
    return [HybridSigner.generate() for _ in range(4)]


@pytest.fixture
def on_world():
    def run(main, seed=1):
        return SimWorld(seed).run(main)

    return run


@pytest.fixture
def trusted():
    return lambda log, url="": WatchedLog(TrustedLog.of(log.origin, log.public_key), url)


@pytest.fixture
def new_place():
    return Place


@pytest.fixture
def ask():
    return asked


@pytest.fixture
def new_log(keys):
    def make(world, n, key=0):
        log = SimLog(keys[key], world.clock)
        log.append(*(b"%d" % number for number in range(n)))
        return log

    return make
