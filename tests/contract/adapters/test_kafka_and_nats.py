"""Against servers that are not ours: librdkafka's mock cluster, and nats-server with JetStream."""

import asyncio
import contextlib

import pytest

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.connectors import kafka_sink, kafka_source, nats_sink, nats_source
from phalanx.adapters.nats import find_nats_server
from phalanx.adapters.storage import OsFiles, SegmentJournals, SqliteStore
from phalanx.core import DEFAULT_TENANT, InvalidInput, Unavailable, Uuid7Source, decode
from phalanx.intel import Intake
from phalanx.intel._model import Chunk
from phalanx.intel.delivery import Drawer, PositionGone, SourcePlan
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import SimWorld, wait_until
from phalanx.testing.contracts import SINK_CHECKS, SOURCE_CHECKS
from phalanx.testing.delivery import context_of

pytestmark = [pytest.mark.requirement("INT-3"), pytest.mark.requirement("INT-5")]
_TOPIC = "phalanx"


@contextlib.contextmanager
def kafka_cluster():
    kafka = pytest.importorskip("confluent_kafka", reason="Kafka needs the extra `kafka`")
    owner = kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    owner.flush(1)


class KafkaLab:
    secret = "no-secret-at-all"

    def __init__(self, brokers, folder):
        self.context = context_of(
            folder, {"brokers": brokers, "topic": _TOPIC, "security": "plaintext", "timeout_s": "20"}
        )
        self.brokers = brokers
        self.fed = 0

    async def open(self):
        return kafka_sink(self.context) if self.is_sink else kafka_source(self.context)

    async def kept(self, at_least):
        return await asyncio.to_thread(self._kept, at_least)

    def _kept(self, at_least):
        import confluent_kafka as kafka

        consumer = kafka.Consumer({"bootstrap.servers": self.brokers, "group.id": "looking", "log_level": 0})
        try:
            parts = consumer.list_topics(_TOPIC, timeout=10).topics[_TOPIC].partitions
            ends = {part: consumer.get_watermark_offsets(kafka.TopicPartition(_TOPIC, part))[1] for part in parts}
            consumer.assign([kafka.TopicPartition(_TOPIC, part, 0) for part in parts])
            found = []
            while len(found) < sum(ends.values()):
                message = consumer.poll(10)
                assert message is not None
                assert message.error() is None
                found.append((message.timestamp()[1], dict(message.headers())["phalanx-id"].decode()))
            return [ident for _, ident in sorted(found)]
        finally:
            consumer.close()

    def trouble(self, what):
        return False

    async def feed(self, lines):
        await asyncio.to_thread(self._feed, lines)

    def _feed(self, lines):
        import confluent_kafka as kafka

        producer = kafka.Producer({"bootstrap.servers": self.brokers, "log_level": 0})
        for line in lines:
            producer.produce(_TOPIC, line.encode(), key=line[:20] + line[-3:])
        assert producer.flush(20) == 0


def is_ordered(check):
    # Kafka orders within a partition only: what is one after another there is per record, not for all.
    return check.__name__ not in {"check_tells_in_order", "check_hostile_text_is_carried_or_refused"}


@pytest.mark.parametrize("check", list(filter(is_ordered, SINK_CHECKS)), ids=lambda check: check.__name__)
def test_the_kafka_sink_keeps_the_contract(check, tmp_path):
    with kafka_cluster() as brokers:
        lab = KafkaLab(brokers, tmp_path)
        lab.is_sink = True
        asyncio.run(check(lab))


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
def test_the_kafka_source_keeps_the_contract(check, tmp_path):
    with kafka_cluster() as brokers:
        lab = KafkaLab(brokers, tmp_path)
        lab.is_sink = False
        asyncio.run(check(lab))


def test_kafka_gets_everything_and_revisions_of_a_record_in_their_order(tmp_path):
    from phalanx.testing.contracts import item_like, parcel_like

    async def tell(lab):
        sink = await lab.open()
        items = [item_like(number) for number in range(30)]
        answer = await sink.send(parcel_like(sink, *items))
        assert not answer.problem
        assert not answer.again
        assert sorted(await lab.kept(30)) == sorted(item.id for item in items)
        await sink.close()

    with kafka_cluster() as brokers:
        lab = KafkaLab(brokers, tmp_path)
        lab.is_sink = True
        asyncio.run(tell(lab))


@contextlib.contextmanager
def nats_process(folder):
    import subprocess

    try:
        program = find_nats_server()
    except Unavailable as error:
        pytest.skip(f"nats-server is not here: {error}")
    log = folder / "nats.log"
    with subprocess.Popen(
        [program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(folder / "js"), "-l", str(log),
         "--ports_file_dir", str(folder)]
    ) as process:  # fmt: skip
        try:
            yield process, folder
        finally:
            process.terminate()


async def address_of(folder):
    import json

    for _ in range(1_000):
        for file in folder.glob("nats-server_*.ports"):
            with contextlib.suppress(ValueError):
                return json.loads(file.read_text())["nats"][0]
        await asyncio.sleep(0.01)
    raise AssertionError("nats-server does not start")


class NatsLab:
    secret = "no-secret-at-all"

    def __init__(self, folder, *, is_sink):
        self.folder = folder
        self.is_sink = is_sink

    async def prepare(self):
        import nats

        self.url = await address_of(self.folder)
        self.client = await nats.connect(self.url)
        self.stream = self.client.jetstream()
        await self.stream.add_stream(name="FINDINGS", subjects=["phalanx.>"])

    async def open(self, **options):
        if self.is_sink:
            return nats_sink(context_of(self.folder, {"url": self.url, "subject": "phalanx", "stream": "FINDINGS"}))
        return nats_source(context_of(self.folder, {"url": self.url, "stream": "FINDINGS"} | options))

    async def kept(self, at_least):
        state = (await self.stream.stream_info("FINDINGS")).state
        found = [await self.stream.get_msg("FINDINGS", seq=seq) for seq in range(1, state.last_seq + 1)]
        return [message.headers["Nats-Msg-Id"] for message in found]

    def trouble(self, what):
        return False

    async def feed(self, lines):
        for line in lines:
            await self.stream.publish("phalanx.event", line.encode())


async def in_lab(check, folder, *, is_sink):
    lab = NatsLab(folder, is_sink=is_sink)
    await lab.prepare()
    try:
        await check(lab)
    finally:
        await lab.client.close()


@pytest.mark.parametrize("check", SINK_CHECKS, ids=lambda check: check.__name__)
def test_the_nats_sink_keeps_the_contract(check, tmp_path):
    with nats_process(tmp_path):
        asyncio.run(in_lab(check, tmp_path, is_sink=True))


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
def test_the_nats_source_keeps_the_contract(check, tmp_path):
    with nats_process(tmp_path):
        asyncio.run(in_lab(check, tmp_path, is_sink=False))


async def check_reach_is_told(lab, beyond, told):
    await lab.feed(["one", "two", "three"])
    source = await lab.open()
    # What follows everything there is can be waited for.
    drawn = await source.draw("", until="", max_bytes=1_000, within_s=5)
    await source.check_reach(drawn.position)
    with pytest.raises(InvalidInput, match=told):
        await source.check_reach(beyond)
    await source.close()


def test_kafka_says_how_far_it_reaches(tmp_path):
    with kafka_cluster() as brokers:
        lab = KafkaLab(brokers, tmp_path)
        lab.is_sink = False
        asyncio.run(check_reach_is_told(lab, '{"0": 5000}', r"topic phalanx, which has partition 0 from 0 to \d"))
        asyncio.run(check_reach_is_told(lab, '{"4711": 0}', "is beyond the end"))


def test_nats_says_how_far_it_reaches_and_goes_on_with_a_stream_that_is_another(tmp_path):
    async def check(lab):
        await check_reach_is_told(lab, "5", "which has messages 1 to 3; the next is 4")
        source = await lab.open()
        with pytest.raises(PositionGone, match="ends with message 3"):
            await source.draw("5", until="", max_bytes=1_000, within_s=1)
        await source.close()

    with nats_process(tmp_path):
        asyncio.run(in_lab(check, tmp_path, is_sink=False))


@contextlib.asynccontextmanager
async def drawing_from(lab, **options):
    """A drawer at work on the lab's stream, and what it took in so far."""
    clock, world = SystemClock(), SimWorld(1)
    telemetry, files = Telemetry(clock), OsFiles(lab.folder / "files")
    async with contextlib.AsyncExitStack() as leaving:
        leaving.callback(files.close)
        offload = leaving.enter_context(contextlib.closing(ThreadOffload(1)))
        store = await SqliteStore.open(lab.folder / "store.sqlite")
        leaving.push_async_callback(store.close)
        journals = SegmentJournals(files, "journals", entropy=OsEntropy(), offload=offload)
        leaving.push_async_callback(journals.close)
        ids = Uuid7Source(clock, lambda bits: world.rng.integer(0, 2**bits - 1))
        journal = await journals.open("intake")
        intake = await Intake.open(journal, store, clock=clock, ids=ids, telemetry=telemetry)
        leaving.push_async_callback(intake.close)
        drawer = Drawer(
            SourcePlan("nats", "nats", DEFAULT_TENANT), await lab.open(**options), intake, store, clock=clock,
            rng=world.rng, telemetry=telemetry, alerts=Alerts(telemetry),
        )  # fmt: skip
        leaving.push_async_callback(drawer.source.close)
        drawing = asyncio.create_task(drawer.run())

        async def taken():
            frames = await journal.read(0, max_records=100, max_bytes=10**6)
            return b"".join(decode(frame, Chunk).data for frame in frames).decode().splitlines()

        try:
            yield drawer, taken
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)


async def made_anew(lab):
    await lab.stream.delete_stream("FINDINGS")
    await lab.stream.add_stream(name="FINDINGS", subjects=["phalanx.>"])


async def check_another_stream_is_drawn_from(lab):
    """All of it, and what is lost is one gap, also where it is shorter and its messages have numbers used before."""
    async with drawing_from(lab) as (drawer, taken):
        old, new = [f"old {number}" for number in range(6)], [f"new {number}" for number in range(4)]
        for number, line in enumerate(old):
            await lab.feed([line])
            await wait_until(lambda drawn=number + 1: drawer.state.events == drawn)
        await made_anew(lab)
        await wait_until(lambda: drawer.state.gaps)
        for number, line in enumerate(new):
            await lab.feed([line])
            await wait_until(lambda seen=number + 7: drawer.state.events + drawer.state.refused == seen)
        assert await taken() == [*old, *new]
        assert (drawer.state.refused, drawer.state.doubled, drawer.state.gaps) == (0, 0, 1)


async def check_a_longer_stream_is_noticed(lab):
    """The new stream has come further than the old one when it is looked at: its numbers alone would not tell."""
    async with drawing_from(lab, start="latest") as (drawer, taken):
        await wait_until(lambda: drawer.state.position)
        await lab.feed(["old 1", "old 2"])
        await wait_until(lambda: drawer.state.events == 2)
        await drawer.set_paused(paused=True)
        await made_anew(lab)
        new = [f"new {number}" for number in range(5)]
        await lab.feed(new)
        await drawer.set_paused(paused=False)
        await wait_until(lambda: drawer.state.events == 7)
        assert await taken() == ["old 1", "old 2", *new]
        assert (drawer.state.refused, drawer.state.doubled, drawer.state.gaps) == (0, 0, 1)
        assert "the stream was made anew at 20" in drawer.state.last_error
        with pytest.raises(InvalidInput, match="is of another stream FINDINGS"):
            await drawer.rewind("1@2020-01-01T00:00:00+00:00")
        # A number alone is one of the stream that there is.
        await drawer.rewind("5")
        await wait_until(lambda: drawer.state.events == 8)


def test_a_nats_stream_that_is_made_anew_is_drawn_from_its_beginning(tmp_path):
    with nats_process(tmp_path):
        asyncio.run(in_lab(check_another_stream_is_drawn_from, tmp_path, is_sink=False))


def test_a_nats_stream_that_is_made_anew_and_longer_is_drawn_whole(tmp_path):
    with nats_process(tmp_path):
        asyncio.run(in_lab(check_a_longer_stream_is_noticed, tmp_path, is_sink=False))
