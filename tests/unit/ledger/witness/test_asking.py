"""The log's side: what it keeps of its witnesses' answers, and what people are told."""

import pytest

from phalanx.core import AlertLevel, HttpAnswer
from phalanx.ledger import verify_checkpoint
from phalanx.ledger._note import parse_note
from phalanx.ledger.witness import Head

pytestmark = pytest.mark.requirement("IRS-4")

W1, W2 = "http://w1", "http://w2"


@pytest.fixture
def asking(on_world, new_log, new_place, trusted, keys):
    """Runs ``main(world, log, witnesses, one, two)``: a log, what asks for it, and its two witnesses."""

    def run(main, quorum=0):
        async def on(world):
            log = new_log(world, 5)
            one, two = (new_place(world, f"w{n}", keys[n], [trusted(log)]) for n in (1, 2))
            one.serve(W1)
            two.serve(W2)
            place = new_place(world, "log", keys[0], own=log)
            place.asking = place.witnesses([one.peer(W1), two.peer(W2)], quorum=quorum)
            return await main(world, log, place, one, two)

        return on_world(on)

    return run


def test_every_witness_cosigns_each_new_checkpoint(asking):
    async def main(world, log, place, one, two):
        for more in range(4):
            log.append(*(b"more %d" % n for n in range(more)))
            await place.asking.round()
            checkpoint = await log.checkpoint()
            note = await place.asking.cosigned(checkpoint)
            assert verify_checkpoint(note, log.public_key).size == log.size
            parsed = parse_note(note)
            assert len(parsed.signatures) == 6
            for witness in (one, two):
                witness.cosigner.keys.verify(parsed, Head.of(parsed))
            assert [(status.size, status.behind) for status in await place.asking.statuses()] == [(log.size, 0)] * 2
            assert (await place.asking.newest_with_quorum(log.size)).size == log.size
        assert place.alerts.all == []
        assert await place.asking.newest_with_quorum(log.size + 1) is None

    asking(main)


def test_a_missing_quorum_is_told_of_once_and_its_return_too(asking):
    async def main(world, log, place, one, two):
        world.calls.cut("log", W2)
        for _ in range(3):
            await place.asking.round()
        assert place.asking.degraded
        (text,) = place.alerts.texts(AlertLevel.WARNING)
        assert text == "1 of 2 witnesses cosign the ledger, 2 are needed"
        assert [status.problem != "" for status in await place.asking.statuses()] == [False, True]
        assert await place.asking.newest_with_quorum(0) is None
        world.calls.heal()
        await place.asking.round()
        assert not place.asking.degraded
        assert place.alerts.texts(AlertLevel.NOTICE) == ["enough witnesses cosign the ledger again"]
        assert (await place.asking.newest_with_quorum(0)).size == 5

    asking(main)


def test_one_of_two_is_enough_when_the_quorum_says_so(asking):
    async def main(world, log, place, one, two):
        world.calls.cut("log", W2)
        await place.asking.round()
        assert not place.asking.degraded
        assert (await place.asking.newest_with_quorum(5)).size == 5

    asking(main, quorum=1)


def test_a_former_witness_makes_no_quorum(asking):
    async def main(world, log, place, one, two):
        world.calls.cut("log", W2)
        await place.asking.round()
        world.calls.heal()
        present = place.witnesses([two.peer(W2)])
        assert await present.newest_with_quorum(5) is None
        await present.round()
        assert (await present.newest_with_quorum(5)).size == 5
        assert [kept.witness for kept in await present.of(5)] == [two.cosigner.name, one.cosigner.name]

    asking(main)


def test_a_log_that_forgot_goes_on_from_where_the_witness_is(asking):
    async def main(world, log, place, one, two):
        await place.asking.round()
        log.append(b"6", b"7")
        again = type(place)(world, "log again", place.signer, own=log)
        asks = again.witnesses([one.peer(W1), two.peer(W2)])
        await asks.round()
        assert [status.size for status in await asks.statuses()] == [7, 7]

    asking(main)


@pytest.mark.parametrize("history", ["shorter", "other", "longer"])
def test_a_log_that_is_not_the_one_the_witness_knows_is_reported_at_once(asking, history):
    async def main(world, log, place, one, two):
        await place.asking.round()
        restored = log.fork(3)
        if history != "shorter":
            restored.append(*(b"lie %d" % n for n in range(2 if history == "other" else 4)))
        again = type(place)(world, "restored", place.signer, own=restored)
        asks = again.witnesses([one.peer(W1)])
        for _ in range(2):
            await asks.round()
        (text,) = again.alerts.texts()
        expected = {"shorter": "has cosigned 5 entries", "other": "another root", "longer": "no prefix"}
        assert expected[history] in text
        assert (await asks.statuses())[0].size == 0

    asking(main)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HttpAnswer(500, "text/plain", b""), "HTTP 500"),
        (HttpAnswer(404, "text/plain", b"no such log"), "HTTP 404"),
        (HttpAnswer(200, "text/plain", b""), "does not hold"),
        (HttpAnswer(200, "text/plain", b"\xff"), "does not hold"),
        (HttpAnswer(200, "text/plain", "— w AAAAAAAA\n".encode()), "does not hold"),
        (HttpAnswer(409, "text/plain", b"5\n"), "names no size"),
        (HttpAnswer(409, "text/x.tlog.size", b"x\n"), "names no size"),
        (HttpAnswer(200, "text/plain", b"x" * 100_000), "limited"),
    ],
)
def test_an_answer_that_is_no_cosignature_is_not_kept(asking, answer, reason):
    async def main(world, log, place, one, two):
        async def handler(path, body):
            return answer

        world.calls.serve(W2, handler)
        await place.asking.round()
        assert reason in (await place.asking.statuses())[1].problem
        assert [kept.witness for kept in await place.asking.of(5)] == [one.cosigner.name]

    asking(main)


def test_the_cosignature_of_another_witness_is_not_taken(asking):
    async def main(world, log, place, one, two):
        one.serve(W2)
        await place.asking.round()
        assert "is missing" in (await place.asking.statuses())[1].problem

    asking(main)


def test_an_empty_ledger_asks_nobody(on_world, new_place, new_log, keys):
    async def main(world):
        place = new_place(world, "log", keys[0], own=new_log(world, 0))
        asks = place.witnesses([new_place(world, "w", keys[1]).peer(W1)])
        await asks.round()
        assert (place.alerts.all, asks.degraded) == ([], False)

    on_world(main)
