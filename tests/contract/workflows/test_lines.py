"""What a crew and its workers need of whatever lies between them, of the queue in memory and of JetStream alike."""

import asyncio
import contextlib

import pytest

from phalanx.adapters import OsEntropy, SystemClock
from phalanx.adapters.nats import NatsCluster, NatsHandLine, ServePlan
from phalanx.core import Rng
from phalanx.telemetry import Telemetry
from phalanx.testing import WorkQueue, wait_until
from phalanx.workflows.workers import Ask, Beat, Done, Granted, Refused, Ticket, WorkerSeals

BEAT = Beat(1, 1, 2, "here", "m", "r", {"f": "d"}, (("p", 3),))


class Crew:
    """What a line hands over, and what it is answered."""

    def __init__(self):
        self.beats, self.results, self.asks, self.connections = [], [], [], 0
        self.answer = Granted("f", b"arguments")

    def asked(self, worker, ask):
        self.asks.append((worker, ask))
        return self.answer

    def heard(self, worker, beat):
        self.beats.append((worker, beat))

    def done(self, worker, done):
        self.results.append((worker, done))

    def connected(self):
        self.connections += 1


@contextlib.asynccontextmanager
async def in_memory(tmp_path):
    queue = WorkQueue(SystemClock(), Rng(1))
    yield queue.crew_line(), queue.hand_line("w1"), queue.hand_line("w2")


@contextlib.asynccontextmanager
async def over_nats(tmp_path):
    pytest.importorskip("nats", reason="the extra `cluster` is not installed")
    clock, entropy = SystemClock(), OsEntropy()
    cluster = NatsCluster(tmp_path, ServePlan(), clock=clock, rng=Rng(1), entropy=entropy)
    try:
        await cluster.open("hq.org", Telemetry(clock), lambda *_: None)
        seals, hands = {}, []
        for name in ("w1", "w2"):
            access, secret = await cluster.invite_worker(name), entropy.token(32)
            seals[name] = WorkerSeals(name, secret, entropy, node=True)
            ours = WorkerSeals(name, secret, entropy, node=False)
            hands.append(NatsHandLine(access.worker(name), name, ours, clock=clock, rng=Rng(2)))
        line = cluster.crew_line(seals)
        yield line, *hands
    finally:
        await cluster.close()


@contextlib.asynccontextmanager
async def served(opened):
    """A crew that listens, and two workers that are connected."""
    async with opened as (line, *hands):
        crew = Crew()
        tasks = [asyncio.ensure_future(line.serve(crew))]
        await wait_until(lambda: crew.connections == 1)
        for hand in hands:
            if isinstance(hand, NatsHandLine):
                tasks.append(asyncio.ensure_future(hand.serve()))
                await hand.wait_connected()
        try:
            yield crew, line, *hands
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def run(check, kind, tmp_path):
    async def main():
        async with served(kind(tmp_path)) as parts:
            await check(*parts)

    asyncio.run(main())


@pytest.mark.requirement("HWF-3")
@pytest.mark.parametrize("kind", [in_memory, over_nats])
def test_a_ticket_goes_to_one_worker_until_it_is_left_to_others(kind, tmp_path):
    async def check(crew, line, one, other):
        await line.put(Ticket("p", 7))
        taken = await one.take()
        assert taken.ticket == Ticket("p", 7)
        await one.progress(taken)
        await one.later(taken, 0.0)
        again = await other.take()
        assert again.ticket == taken.ticket
        await other.drop(again)
        await line.put(Ticket("q", 8))
        assert (await one.take()).ticket == Ticket("q", 8), "what was dropped is not handed out again"

    run(check, kind, tmp_path)


@pytest.mark.parametrize("kind", [in_memory, over_nats])
def test_questions_are_answered_and_beats_and_results_arrive_by_name(kind, tmp_path):
    async def check(crew, line, one, other):
        ask, done = Ask("p", 7, 1), Done("p", 7, 1, b"value")
        assert await one.ask(ask) == crew.answer
        crew.answer = Refused(others_may=True)
        assert await other.ask(ask) == Refused(others_may=True)
        assert crew.asks == [("w1", ask), ("w2", ask)]
        await one.beat(BEAT)
        await other.give(done)
        await wait_until(lambda: crew.beats and crew.results)
        assert (crew.beats, crew.results) == ([("w1", BEAT)], [("w2", done)])

    run(check, kind, tmp_path)


@pytest.mark.parametrize("kind", [in_memory, over_nats])
def test_the_last_result_of_a_piece_lies_there(kind, tmp_path):
    async def check(crew, line, one, other):
        assert await line.kept("p") is None
        await one.give(Done("p", 7, 1, b"first"))
        await other.give(Done("p", 8, 1, b"second"))
        assert await line.kept("p") == ("w2", Done("p", 8, 1, b"second"))
        assert await line.kept("q") is None

    run(check, kind, tmp_path)


def test_a_worker_that_was_cut_off_is_not_let_in_and_strangers_read_nothing(tmp_path):
    pytest.importorskip("nats", reason="the extra `cluster` is not installed")

    async def main():
        from nats.aio.client import Client

        clock, entropy = SystemClock(), OsEntropy()
        cluster = NatsCluster(tmp_path, ServePlan(), clock=clock, rng=Rng(1), entropy=entropy)
        await cluster.open("hq.org", Telemetry(clock), lambda *_: None)
        try:
            access = await cluster.invite_worker("w")
            told = []

            async def heard(error):
                told.append(str(error))

            nats, client = access.worker("w"), Client()
            client._public_nkey = nats.user.public
            await client.connect(
                nats.urls[0], tls=nats.tls, signature_cb=nats.user.sign, error_cb=heard, allow_reconnect=False
            )
            for subject in ("phalanx.primary.>", "phalanx.work.>", "phalanx.inbox.node.>", "$JS.API.>"):
                told.clear()
                await client.subscribe(subject)
                await wait_until(lambda: told)
                assert "permissions violation" in told[0].lower()
            await cluster.dismiss_worker("w")
            await wait_until(lambda: client.is_closed)
            assert cluster.workers == ()
        finally:
            await cluster.close()

    asyncio.run(main())
