"""Sources under watch: admitted after a test, dropped with an alert, back only when somebody says so."""

import asyncio

import pytest

from phalanx.core import AlertLevel, LimitExceeded, NotFound, Rng
from phalanx.crypto.entropy import NoiseWatch, SourceFailed
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

pytestmark = pytest.mark.requirement("CRY-3")


class Scripted:
    """A source that gives good noise until a test says otherwise."""

    sample_bits = 8
    simulated = False

    def __init__(self, name="dice", min_entropy=4.0):
        self.name, self.min_entropy = name, min_entropy
        self._rng = Rng(1).child(name)
        self.trouble = None
        self.reads = 0

    def read(self, n_samples):
        self.reads += 1
        if isinstance(self.trouble, Exception):
            raise self.trouble
        if self.trouble == "short":
            return b"\x01"
        return bytes(n_samples) if self.trouble == "stuck" else self._rng.bytes(n_samples)


class Hung:
    """An offload whose work never ends, as a read of a dead device may."""

    async def run(self, work, /, *args, **kwargs):
        await asyncio.Event().wait()


class Heard:
    def __init__(self):
        self.alerts = []

    def alert(self, level, room, text, **context):
        self.alerts.append((level, text, context))


def watching(main, *sources, offload=None):
    async def in_world(world):
        heard, stirred = Heard(), []
        telemetry = Telemetry(world.clock)
        watch = NoiseWatch(
            sources, lambda name, samples: stirred.append((name, samples)),
            clock=world.clock, offload=offload or world.offload, alerts=heard, telemetry=telemetry,
        )  # fmt: skip
        await main(world, watch, heard, stirred, telemetry.metrics.snapshot)

    SimWorld(1).run(in_world)


def gauge(snapshot, source):
    samples = snapshot()["phalanx_entropy_source_healthy"]["samples"]
    return next(one["value"] for one in samples if one["labels"]["source"] == source)


def test_a_source_is_used_after_its_start_up_test_and_polled():
    dice = Scripted()

    async def main(world, watch, heard, stirred, snapshot):
        assert watch.status()[0].state == "waiting"
        await watch.start_up()
        (status,) = watch.status()
        assert (status.state, status.samples, status.repetition_cutoff) == ("healthy", 1024, 9)
        assert [(name, len(samples)) for name, samples in stirred] == [("dice", 1024)]
        async with asyncio.TaskGroup() as group:
            running = group.create_task(watch.run())
            await world.clock.sleep(95)
            running.cancel()
        assert [len(samples) for _, samples in stirred] == [1024, 512, 512, 512]
        assert len({samples for _, samples in stirred}) == 4
        assert gauge(snapshot, "dice") == 1
        assert heard.alerts == []
        assert watch.told() == "dice healthy"

    watching(main, dice)


TROUBLES = [
    ("stuck", "repetition count"),
    ("short", "reading"),
    (OSError(5, "Input/output error"), "reading"),
    (SourceFailed("dice", "reading", "unplugged"), "reading"),
]


@pytest.mark.parametrize(("trouble", "test"), TROUBLES, ids=lambda value: type(value).__name__)
def test_a_source_that_fails_is_dropped_with_an_alert_and_stays_out(trouble, test):
    dice, other = Scripted(), Scripted("other")

    async def main(world, watch, heard, stirred, snapshot):
        await watch.start_up()
        dice.trouble = trouble
        await watch.poll()
        status = {one.name: one for one in watch.status()}
        assert status["dice"].state == "dropped"
        assert status["other"].state == "healthy"
        assert test in status["dice"].failure
        ((level, text, context),) = heard.alerts
        assert level is AlertLevel.WARNING
        assert "dice is dropped" in text
        assert context == {"source": "dice", "test": test}
        assert gauge(snapshot, "dice") == 0
        given = [name for name, _ in stirred]
        assert given == ["dice", "other", "other"], "what failed is not stirred in"
        dice.trouble, reads = None, dice.reads
        await watch.poll()
        assert dice.reads == reads, "a dropped source is not asked again"
        assert watch.sound
        assert watch.told() == "dice dropped, other healthy"

    watching(main, dice, other)


def test_a_dropped_source_comes_back_by_a_persons_word_and_a_start_up_test():
    dice = Scripted()
    dice.trouble = "stuck"

    async def main(world, watch, heard, stirred, snapshot):
        await watch.start_up()
        assert watch.status()[0].state == "dropped"
        with pytest.raises(SourceFailed):
            await watch.readmit("dice")
        assert watch.status()[0].state == "dropped"
        dice.trouble = None
        assert (await watch.readmit("dice")).state == "healthy"
        assert watch.find("dice").failure == ""
        assert len(stirred) == 1
        assert gauge(snapshot, "dice") == 1
        with pytest.raises(NotFound):
            await watch.readmit("cards")

    watching(main, dice)


def test_a_source_that_comes_back_begins_with_a_clean_window():
    dice = Scripted(min_entropy=4.0)
    good = dice.read

    async def main(world, watch, heard, stirred, snapshot):
        dice.read = lambda n: bytes(value for i in range(n // 2) for value in (1, 2 + i % 200))
        await watch.start_up()
        assert "adaptive proportion" in watch.find("dice").failure
        dice.read = lambda n: bytes([1]) + good(n - 1)
        assert (await watch.readmit("dice")).state == "healthy"

    watching(main, dice)


def test_the_continuous_test_goes_on_from_poll_to_poll():
    """A value that repeats across two polls is seen, though neither piece alone would show it."""
    dice = Scripted(min_entropy=4.0)
    ends = Rng(3)

    async def main(world, watch, heard, stirred, snapshot):
        await watch.start_up()
        pieces = [
            bytes(200 + ends.integer(0, 50) for _ in range(507)) + bytes([9] * 5),
            bytes([9] * 4) + ends.bytes(508),
        ]
        dice.read = lambda n: pieces.pop(0)
        await watch.poll()
        assert watch.find("dice").state == "healthy"
        await watch.poll()
        assert "9 times in a row" in watch.find("dice").failure

    watching(main, dice)


def test_a_source_that_hangs_is_dropped():
    async def main(world, watch, heard, stirred, snapshot):
        await watch.start_up()
        assert "nothing within 5 s" in watch.find("dice").failure

    watching(main, Scripted(), offload=Hung())


def test_the_operating_systems_failure_is_urgent_and_makes_the_node_unsound():
    system = Scripted("os", 8.0)

    async def main(world, watch, heard, stirred, snapshot):
        await watch.start_up()
        assert watch.sound
        system.trouble = "stuck"
        await watch.poll()
        assert not watch.sound
        assert heard.alerts[0][0] is AlertLevel.URGENT

    watching(main, system)


def test_there_are_not_too_many_sources():
    with pytest.raises(LimitExceeded):
        watching(None, *(Scripted(str(i)) for i in range(17)))
