"""The witness against C2SP tlog-witness: what it cosigns, and with which status it refuses."""

import asyncio
import base64

import pytest

from phalanx.ledger import EMPTY_ROOT, sign_checkpoint
from phalanx.ledger._note import Note, parse_note
from phalanx.ledger.witness import AddCheckpoint, Head, Refusal, WitnessRefused

pytestmark = pytest.mark.requirement("IRS-4")


@pytest.fixture
def witnessing(on_world, new_log, new_place, trusted, keys):
    """Runs ``main(log, place)``: a log of five entries, and a place that witnesses it."""

    def run(main):
        async def on(world):
            log = new_log(world, 5)
            return await main(log, new_place(world, "w", keys[1], [trusted(log)]))

        return on_world(on)

    return run


def refused(refusal, size=None):
    class Check:
        def __enter__(self):
            self.raises = pytest.raises(WitnessRefused)
            self.info = self.raises.__enter__()
            return self.info

        def __exit__(self, *raised):
            done = self.raises.__exit__(*raised)
            assert self.info.value.refusal is refusal
            assert size is None or self.info.value.size == size
            return done

    return Check()


def test_a_first_and_a_consistent_later_checkpoint_are_cosigned(witnessing, ask):
    async def main(log, place):
        for more in (0, 1, 7):
            log.append(*(b"more %d" % number for number in range(more)))
            lines = await ask(log, place.witness)
            note = parse_note((await log.checkpoint()).note + lines)
            at_s = place.cosigner.keys.verify(note, Head.of(note))
            assert at_s == place.world.clock.wall_ns() // 10**9
            (head,) = await place.witness.heads()
            assert (head.size, head.root) == (log.size, (await log.checkpoint()).root)

    witnessing(main)


def test_the_same_checkpoint_again_is_cosigned_again(witnessing, ask):
    async def main(log, place):
        await ask(log, place.witness)
        assert await ask(log, place.witness, old=5)
        assert (await place.witness.heads())[0].size == 5

    witnessing(main)


def test_every_refusal_has_the_status_of_the_specification(witnessing, ask, keys, new_log):
    async def main(log, place):
        witness = place.witness
        with refused(Refusal.UNKNOWN_LOG):
            await ask(new_log(place.world, 3, key=2), witness)
        note = parse_note((await log.checkpoint()).note)
        with refused(Refusal.NOT_SIGNED):
            await witness.add_checkpoint(AddCheckpoint(0, (), str(Note(note.text, note.signatures[:1]))).to_bytes())
        forged = sign_checkpoint(keys[2], log.origin, 5, EMPTY_ROOT, 0).note
        with refused(Refusal.NOT_SIGNED):
            await witness.add_checkpoint(AddCheckpoint(0, (), forged).to_bytes())
        with refused(Refusal.MALFORMED):
            await witness.add_checkpoint(AddCheckpoint(6, (), str(note)).to_bytes())
        with refused(Refusal.CONFLICT, size=0):
            await ask(log, witness, old=3)
        with refused(Refusal.NOT_CONSISTENT):
            await witness.add_checkpoint(AddCheckpoint(0, (EMPTY_ROOT,), str(note)).to_bytes())
        assert await witness.heads() == []

        await ask(log, witness)
        log.append(b"6", b"7")
        with refused(Refusal.CONFLICT, size=5):
            await ask(log, witness, old=0)
        for path in ((), (EMPTY_ROOT,) * 3):
            with refused(Refusal.NOT_CONSISTENT):
                await witness.add_checkpoint(AddCheckpoint(5, path, (await log.checkpoint()).note).to_bytes())
        assert (await witness.heads())[0].size == 5

    witnessing(main)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\n\n",
        b"old\n\nnote",
        b"old \n\nnote",
        b"old 01\n\nnote",
        b"old -1\n\nnote",
        b"old 99999999999999999999\n\nnote",
        b"new 1\n\nnote",
        b"old 1\nAAAA\n\nnote",
        b"old 1\n!\n\nnote",
        b"old 1\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\nnote",
        b"old 1\n\nno checkpoint",
        b"old 1\n\n" + b"x" * 80_000,
    ],
)
def test_what_is_no_request_is_malformed(witnessing, body):
    async def main(log, place):
        with refused(Refusal.MALFORMED):
            await place.witness.add_checkpoint(body)

    witnessing(main)


def test_a_smaller_tree_and_a_second_root_are_never_cosigned(witnessing, ask):
    async def main(log, place):
        older = (await log.checkpoint()).note
        log.append(b"6")
        await ask(log, place.witness)
        with refused(Refusal.CONFLICT, size=6):
            await place.witness.add_checkpoint(AddCheckpoint(5, (), older).to_bytes())
        with refused(Refusal.MALFORMED):
            await place.witness.add_checkpoint(AddCheckpoint(6, (), older).to_bytes())
        other = log.fork(5)
        other.append(b"other")
        with refused(Refusal.CONFLICT, size=6):
            await ask(other, place.witness, old=6)
        (found,) = await place.gossip.split_views()
        assert found.evidence.verify()[0].size == 6
        assert len(place.alerts.texts()) == 1

    witnessing(main)


def test_what_was_cosigned_is_known_after_a_restart(witnessing, ask, trusted):
    async def main(log, place):
        await ask(log, place.witness)
        again = place.new_witness([trusted(log).log])
        assert [head.size for head in await again.heads()] == [5]
        log.append(b"6")
        with refused(Refusal.CONFLICT, size=5):
            await ask(log, again, old=0)
        await ask(log, again)

    witnessing(main)


def test_a_head_is_kept_before_it_is_signed(witnessing, ask):
    async def main(log, place):
        order = []
        commit, cosign = place.store.commit, place.cosigner.cosign

        async def committing(*args, **more):
            done = await commit(*args, **more)
            order.append("kept")
            return done

        def signing(*args):
            order.append("signed")
            return cosign(*args)

        place.store.commit, place.cosigner.cosign = committing, signing
        await ask(log, place.witness)
        assert order[:2] == ["kept", "signed"]

    witnessing(main)


def test_of_two_histories_at_once_one_is_cosigned(witnessing, ask):
    async def main(log, place):
        await ask(log, place.witness)
        other = log.fork(5)
        log.append(b"one")
        other.append(b"other")
        done = await asyncio.gather(
            ask(log, place.witness, old=5), ask(other, place.witness, old=5), return_exceptions=True
        )
        assert sorted(isinstance(one, str) for one in done) == [False, True]
        (error,) = [one for one in done if not isinstance(one, str)]
        assert (error.refusal, error.size) == (Refusal.CONFLICT, 6)

    witnessing(main)


def test_requests_come_back_from_their_bytes():
    request = AddCheckpoint(7, (bytes(32), bytes(range(32))), "a\n1\nAAAA\n\n— a AAAAAAAA\n")
    assert AddCheckpoint.from_bytes(request.to_bytes()) == request
