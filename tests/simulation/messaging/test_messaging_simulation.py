"""`phalanx sim messaging`: seeds without a violation, a seed that is one run, and planted bugs that it finds."""

import pytest

from phalanx.messaging import Envelope
from phalanx.messaging._arrivals import Arrivals
from phalanx.messaging._directory import Directory
from phalanx.messaging._incoming import Incoming
from phalanx.messaging._mailbox import Mailbox
from phalanx.messaging._outbox import Outbox, Sent
from phalanx.messaging._outgoing import Outgoing
from phalanx.messaging._receipt import Receipt
from phalanx.messaging._seen import Stream
from phalanx.messaging._timetable import Timetable
from phalanx.testing import SIMULATIONS

SEEDS = 25
# A bug is looked for in at most so many runs.
PATIENCE = 40


@pytest.mark.requirement("MSG-5")
def test_nothing_is_lost_doubled_or_misled():
    runs = [SIMULATIONS["messaging"].run(seed) for seed in range(SEEDS)]
    assert [run.violations for run in runs] == [()] * SEEDS
    counts = {name: sum(run.counts.get(name, 0) for run in runs) for run in runs for name in run.counts}
    for happened in ("taken", "crashes", "lies", "durable arrivals checked", "told at once: audience-violation"):
        assert counts[happened] > 0, happened


def test_a_seed_is_one_run():
    first, second = (SIMULATIONS["messaging"].run(11) for _ in range(2))
    assert (first.digest, first.counts, first.steps) == (second.digest, second.counts, second.steps)


def remembers_no_end(self, number, end):
    """What was delivered is not known again."""


def knows_no_number(self, number):
    """Every copy of an item is new."""
    return False


def knows_nothing(self, number):
    """The short way takes everything for new."""
    return False


def takes_at_their_word(self, peer, origin, items):
    """Nothing is asked of what comes for a member that is here."""
    for item in items:
        box = self._directory.boxes.get(item.data.to[0]) if isinstance(item.data, Envelope) else None
        if box is None or not box.offer(item.data, None):
            self.take(peer, origin, item)
        else:
            self._took(peer, origin, (item.number,))


def tells_once(self, number):
    """An end that was lost on its way is not told again."""


def trusts_everybody(self, source, envelope):
    """No proof is looked at."""
    return True


def objects_to_nothing(self, source, envelope):
    """Neither organisation nor deadline nor epoch is looked at."""
    return


def never_starts_over(self, now_ns):
    """A receiver that lost everything is not sent it again."""


def never_retries(self, attempts, now_ns):
    """What is lost stays lost."""
    return now_ns + (1 << 60), []


def forgets_the_outbox(self, process, data):
    """Nothing is written down."""
    return Sent(process, data, is_ended=True)


def ends_at_once(self, process, data):
    """A record has its end as soon as it is written."""
    sent = add(self, process, data)
    sent.is_ended = True
    return sent


def marks_what_it_does_not_take(self, item, arrived):
    """The first copy of an item is received and thrown away."""
    if item.number % 5 == 0 and item.parts == 1:
        self._above.add(item.number)
        self.is_owing = True
        return
    take(self, item, arrived)


def floor_too_high(self, floor):
    """One number more than the sender gave up is passed over."""
    raise_floor(self, floor + 1)


def reads_for_everybody(self, envelope, *, local_only=False):
    """At the receiver nobody is barred."""
    found = resolve(self, envelope, local_only=local_only)
    for name in found.barred:
        if name in self.boxes:
            found.boxes[name] = self.boxes[name]
    found.barred.clear()
    return found


def settles_before_the_end(self, envelope, receipt):
    """Lying in a mailbox is called taken."""
    if receipt is not None:
        receipt.settle(self.address)
    return offer(self, envelope, None)


def never_ends(self):
    """The last recipient's end is not the envelope's."""
    if self._pending is not None:
        return
    end(self)


def shifted_ends(self, number, taken, refused=()):
    """An end is told under the number beside its own."""
    settle(self, number + 1 if number % 4 == 0 else number, taken, refused)


add, take, raise_floor, settle = Outbox.add, Incoming._take, Incoming._raise_floor, Incoming.settle
resolve, offer, end = Directory.resolve, Mailbox.offer, Receipt._end

PLANTED = [
    (Stream, "keep", remembers_no_end, "taken twice"),
    (Stream, "knows", knows_nothing, "taken twice"),
    (Arrivals, "take_all", takes_at_their_word, "nobody sent|taken twice|counts more than"),
    (Incoming, "_is_known", knows_no_number, "called an attack"),
    (Incoming, "_tell_again", tells_once, "never came to its end|pending for ever|DEADLINE"),
    (Arrivals, "_is_proved", trusts_everybody, "nobody sent"),
    (Arrivals, "_objection", objects_to_nothing, "nobody sent"),
    (Outgoing, "start_over", never_starts_over, "lost|without|pending"),
    (Timetable, "batch", never_retries, "lost|never came|pending"),
    (Outbox, "add", forgets_the_outbox, "durable was lost"),
    (Outbox, "add", ends_at_once, "durable was lost"),
    (Incoming, "_take", marks_what_it_does_not_take, "lost|never came|pending"),
    (Incoming, "_raise_floor", floor_too_high, "lost|never came|pending"),
    (Directory, "resolve", reads_for_everybody, "nobody sent"),
    (Mailbox, "offer", settles_before_the_end, "counts more than"),
    (Receipt, "_end", never_ends, "never came|pending"),
    (Incoming, "settle", shifted_ends, ""),
]


@pytest.mark.parametrize(("kind", "method", "broken", "seen"), PLANTED, ids=[one[2].__name__ for one in PLANTED])
def test_a_planted_bug_is_found(monkeypatch, kind, method, broken, seen):
    monkeypatch.setattr(kind, method, broken)
    for seed in range(PATIENCE):
        violations = SIMULATIONS["messaging"].run(seed).violations
        if any(not seen or any(one in line for one in seen.split("|")) for line in violations):
            return
    pytest.fail("nothing was found")
