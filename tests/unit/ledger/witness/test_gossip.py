"""Two histories under one key are caught as soon as one of those who were shown them speaks."""

import asyncio
import json

import msgspec
import pytest

from phalanx.core import AlertLevel, InvalidInput
from phalanx.ledger import InvalidCheckpoint, InvalidProof
from phalanx.ledger.witness import GossipMessage, TrustedLog, read_split_view, split_view
from phalanx.ledger.witness._limits import MAX_OPEN_NOTES, UNPROVED_AFTER_NS

pytestmark = pytest.mark.requirement("IRS-4")

LOG_URL, W1, W2 = "http://log", "http://w1", "http://w2"


@pytest.fixture
def split_world(on_world, new_log, new_place, trusted, keys):
    """Runs ``main(world, log, one, two)``: a log, and two witnesses that gossip with each other."""

    def run(main, entries=5):
        async def on(world):
            log = new_log(world, entries)
            one = new_place(world, "w1", keys[1], [trusted(log, LOG_URL)], [W2])
            two = new_place(world, "w2", keys[2], [trusted(log, LOG_URL)], [W1])
            one.serve(W1)
            two.serve(W2)
            return await main(world, log, one, two)

        return on_world(on)

    return run


def serve_log(world, place_of, log):
    place_of(world, "log", log._signer, own=log).serve(LOG_URL)


async def convicted(place):
    (found,) = await place.gossip.split_views()
    assert len(place.alerts.texts()) == 1
    assert place.audit.actions() == ["split-view-found"]
    return found.evidence


@pytest.mark.parametrize("more", [0, 3])
def test_two_histories_shown_at_the_same_moment_are_both_seen(split_world, more):
    async def main(world, log, one, two):
        lie = log.fork(3)
        lie.append(*(b"lie %d" % n for n in range(2 + more)))
        notes = [(await each.checkpoint()).note for each in (log, lie)]
        known = TrustedLog.of(log.origin, log.public_key)
        await asyncio.gather(*(one.gossip.saw(known, note) for note in notes))
        if more:
            # Of different sizes: the second one is in question until the log proves it.
            assert [note.size for note in await one.gossip.open_notes()] == [8]
        else:
            await convicted(one)

    split_world(main)


def test_two_roots_of_one_size_are_caught_by_one_message(split_world, ask):
    async def main(world, log, one, two):
        lie = log.fork(3)
        lie.append(b"another", b"history")
        await ask(log, one.witness)
        await ask(lie, two.witness)
        await one.gossip.round()
        for place in (one, two):  # the answer to the message brings it back
            first, second = (await convicted(place)).verify()
            assert first.size == second.size == 5
            assert first.root != second.root

    split_world(main)


@pytest.mark.parametrize(("shown_to_one", "shown_to_two"), [(8, 6), (6, 8), (4, 7), (7, 4), (8, 16)])
def test_two_histories_of_different_sizes_are_caught_by_the_logs_own_proof(
    split_world, ask, new_place, shown_to_one, shown_to_two
):
    """The log answers each witness in the history that it shows it, as a liar would."""

    async def main(world, log, one, two):
        lie = log.fork(2)
        log.append(*(b"true %d" % n for n in range(shown_to_one - 5)) if shown_to_one > 5 else ())
        lie.append(*(b"lie %d" % n for n in range(shown_to_two - 2)))
        shown = log.fork(shown_to_one)
        await ask(shown, one.witness)
        await ask(lie, two.witness)
        larger = shown if shown.size > lie.size else lie
        serve_log(world, new_place, larger)
        await one.gossip.round()
        await two.gossip.round()
        found = [found for place in (one, two) for found in await place.gossip.split_views()]
        assert found
        first, second = found[0].evidence.verify(TrustedLog.of(log.origin, log.public_key))
        assert (first.size, second.size) == tuple(sorted((shown_to_one, shown_to_two)))
        assert one.alerts.texts() or two.alerts.texts()

    split_world(main)


def test_an_honest_log_that_goes_on_convicts_nobody(split_world, ask, new_place):
    async def main(world, log, one, two):
        serve_log(world, new_place, log)
        for more in range(1, 6):
            await ask(log, (one, two)[more % 2].witness)
            log.append(*(b"more %d" % n for n in range(more)))
            await one.gossip.round()
            await two.gossip.round()
        for place in (one, two):
            assert await place.gossip.split_views() == []
            assert await place.gossip.open_notes() == []
            assert place.alerts.all == []
            assert (await place.gossip._seen.newest(log.origin)).size == 20 - 5

    split_world(main)


def test_a_log_that_does_not_prove_is_told_of_once_and_not_convicted(split_world, ask):
    async def main(world, log, one, two):
        lie = log.fork(3)
        lie.append(*(b"lie %d" % n for n in range(5)))
        await ask(log, one.witness)
        await ask(lie, two.witness)
        for _ in range(3):
            await one.gossip.round()
        assert one.alerts.all == two.alerts.all == []
        assert len(await two.gossip.open_notes()) == 1
        await world.clock.sleep(UNPROVED_AFTER_NS / 1e9)
        for _ in range(3):
            await two.gossip.round()
        assert len(two.alerts.texts(AlertLevel.WARNING)) == 1
        assert two.alerts.texts() == []
        assert await two.gossip.split_views() == []

    split_world(main)


def test_who_was_told_of_is_remembered_for_as_long_as_it_is_in_question(split_world, ask, new_place):
    async def main(world, log, one, two):
        await ask(log, one.witness)
        log.append(b"more", b"entries")
        await ask(log, two.witness)
        await one.gossip.round()
        await world.clock.sleep(UNPROVED_AFTER_NS / 1e9)
        await two.gossip.round()
        assert two.gossip._told == {(log.origin, 5)}
        # It could not be reached, and proves now.
        serve_log(world, new_place, log)
        await two.gossip.round()
        assert await two.gossip.open_notes() == []
        assert two.gossip._told == set()

    split_world(main)


def test_evidence_spreads_to_those_who_saw_nothing(split_world, ask, new_place, trusted, keys):
    async def main(world, log, one, two):
        lie = log.fork(3)
        lie.append(b"another", b"history")
        await ask(log, one.witness)
        await one.gossip.saw(trusted(log).log, (await lie.checkpoint()).note)
        third = new_place(world, "w3", keys[3], [trusted(log)], [W1])
        await third.gossip.round()
        assert (await convicted(third)).origin == log.origin
        stranger = new_place(world, "w4", keys[2], [], [W1])
        await stranger.gossip.round()
        assert await stranger.gossip.split_views() == []

    split_world(main)


def test_a_split_view_is_told_of_once_however_often_it_comes(split_world, ask):
    async def main(world, log, one, two):
        lie = log.fork(3)
        lie.append(b"another", b"history")
        await ask(log, one.witness)
        await ask(lie, two.witness)
        for _ in range(3):
            await one.gossip.round()
            await two.gossip.round()
        await convicted(one)
        await convicted(two)

    split_world(main)


def test_a_log_that_shows_many_histories_fills_nothing(split_world, ask):
    async def main(world, log, one, two):
        await ask(log, one.witness)
        trusted = TrustedLog.of(log.origin, log.public_key)
        for number in range(8):
            lie = log.fork(3)
            lie.append(b"lie %d" % number, b"x")
            await one.gossip.saw(trusted, (await lie.checkpoint()).note)
        assert len(await one.gossip.split_views()) == 4
        for _size in range(6, 6 + MAX_OPEN_NOTES + 5):
            log.append(b"more")
            await one.gossip.saw(trusted, (await log.checkpoint()).note)
        assert len(await one.gossip.open_notes()) == MAX_OPEN_NOTES

    split_world(main)


def test_a_checkpoint_under_our_own_key_that_is_not_ours_is_told_of(on_world, new_place, new_log, keys):
    async def main(world):
        log = new_log(world, 8)
        stolen = log.fork(2)
        stolen.append(b"x", b"y")
        await log.checkpoint()
        place = new_place(world, "own", keys[0], own=log)
        own = TrustedLog.of(log.origin, log.public_key)
        await place.gossip.saw(own, (await log.fork(5).checkpoint()).note)
        assert await place.gossip.split_views() == []
        await place.gossip.saw(own, (await stolen.checkpoint()).note)
        assert (await convicted(place)).verify()[0].size == 4
        beyond = log.fork(8)
        beyond.append(b"later")
        await place.gossip.saw(own, (await beyond.checkpoint()).note)
        await world.clock.sleep(UNPROVED_AFTER_NS / 1e9)
        await place.gossip.round()
        assert "is of one history" in place.alerts.texts(AlertLevel.WARNING)[0]
        log.append(b"later")
        await log.checkpoint()
        await place.gossip.round()
        assert await place.gossip.open_notes() == []

    on_world(main)


def test_what_was_found_is_recorded_at_the_next_start_when_the_ledger_failed(split_world, ask):
    async def main(world, log, one, two):
        from phalanx.core import StorageFull

        async def full(entry):
            raise StorageFull("the disk")

        record, one.audit.record = one.audit.record, full
        lie = log.fork(3)
        lie.append(b"another", b"history")
        await ask(log, one.witness)
        await one.gossip.saw(TrustedLog.of(log.origin, log.public_key), (await lie.checkpoint()).note)
        assert one.audit.kept == []
        one.audit.record = record
        running = world.loop.create_task(one.gossip.run())
        await world.clock.sleep(1)
        running.cancel()
        assert len(one.audit.kept) == 1

    split_world(main)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"notes":[1]}', b'{"questions":[{"origin":"a","old":-1,"new":2}]}']
)
def test_what_is_no_message_is_refused(split_world, body):
    async def main(world, log, one, two):
        with pytest.raises(InvalidInput):
            await one.gossip.answer(body, source="somebody")

    split_world(main)


def test_notes_that_no_known_log_signed_are_left_out(split_world, new_log, keys):
    async def main(world, log, one, two):
        stranger = new_log(world, 3, key=3)
        forged = (await stranger.checkpoint()).note.replace(stranger.origin, log.origin)
        notes = ("nonsense", (await stranger.checkpoint()).note, forged)
        answer = GossipMessage.from_bytes(await one.gossip.answer(GossipMessage(notes=notes).to_bytes(), source="x"))
        assert (answer.notes, answer.evidence, answer.proofs) == ((), (), ())
        assert await one.gossip.open_notes() == []

    split_world(main)


@pytest.fixture
def evidence(on_world, new_log):
    async def main(world):
        log = new_log(world, 6)
        lie = log.fork(3)
        lie.append(*(b"lie %d" % n for n in range(8)))
        root, path = await lie.prefix(6, 11)
        trusted = TrustedLog.of(log.origin, log.public_key)
        return split_view(trusted, (await lie.checkpoint()).note, (await log.checkpoint()).note, root, tuple(path))

    return on_world(main)


def test_evidence_convinces_others_from_its_json_alone(evidence, keys):
    read = read_split_view(json.loads(msgspec.json.encode(evidence)))
    assert read == evidence
    first, second = read.verify(TrustedLog.of(read.origin, keys[0].public))
    assert (first.size, second.size) == (6, 11)
    with pytest.raises(InvalidCheckpoint):
        read.verify(TrustedLog.of(read.origin, keys[1].public))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"prefix_root": "00" * 32}, InvalidProof),
        ({"prefix_root": "zz"}, InvalidProof),
        ({"path": ()}, InvalidProof),
        ({"path": ("00" * 32,) * 64}, InvalidProof),
        ({"first": "nothing"}, InvalidCheckpoint),
    ],
)
def test_changed_evidence_convinces_nobody(evidence, change, error):
    with pytest.raises(error):
        msgspec.structs.replace(evidence, **change).verify()


def test_one_history_is_no_evidence(on_world, new_log):
    async def main(world):
        log = new_log(world, 6)
        small = await log.fork(4).checkpoint()
        root, path = await log.prefix(4, 6)
        with pytest.raises(InvalidProof, match="one history"):
            split_view(
                TrustedLog.of(log.origin, log.public_key), small.note, (await log.checkpoint()).note, root, tuple(path)
            )

    on_world(main)
    with pytest.raises(InvalidInput):
        read_split_view({"kind": "something else"})
