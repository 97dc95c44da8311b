"""The simulation ``channel``: clean over many seeds, and able to see what it is there to see."""

from itertools import count

import pytest

from phalanx.crypto import NotAuthentic
from phalanx.crypto.channel import FrameOpener, FrameRefused, FrameSealer
from phalanx.testing import SIMULATIONS, channel_simulation, run_seeds

SEEDS = 60


def total(reports, what):
    return sum(report.counts.get(what, 0) for report in reports)


def violations(reports):
    return [f"seed {report.seed}: {violation}" for report in reports for violation in report.violations]


@pytest.mark.requirement("MSG-2")
def test_channels_keep_their_word():
    reports = list(run_seeds("channel", 0, 150))
    assert violations(reports) == []
    for what in ("channels", "payloads delivered", "crashes", "rekeys", "closes told", "stolen keys used",
                 "revocations", "streams whole", "streams broken"):  # fmt: skip
        assert total(reports, what) > 20, what
    assert total(reports, "silent peers") > 0
    assert len({report.digest for report in reports}) == 150


@pytest.mark.slow
def test_channels_keep_their_word_over_many_seeds():
    assert violations(run_seeds("channel", 10_000, 1_000)) == []


def test_one_seed_gives_one_run_whatever_keys_it_draws():
    assert [report.digest for report in run_seeds("channel", 32, 3)] == [
        report.digest for report in map(channel_simulation().run, (32, 33, 34))
    ]


seal_normally = FrameSealer.__init__
take_in, open_other_epoch, decrypt = FrameOpener._take_in, FrameOpener._open_other_epoch, FrameOpener._decrypt


def reused_nonce(self, *args, **more):
    """Every seventh frame goes out under the number of the one before."""
    seal_normally(self, *args, **more)
    numbers = count(1)
    self._next = lambda: (n := next(numbers)) - 1 - (n % 7 == 0)


def window_one_short(self, seq):
    """The oldest number of the window is forgotten, though it is still let in."""
    take_in(self, seq)
    self._seen &= (1 << (self._window - 1)) - 1


def late_marked_beside_its_place(self, seq):
    """The bit of a late number is set one place off."""
    take_in(self, seq - 1 if seq < self._top else seq)


def stale_epoch(self, frame, epoch, seq):
    """The key of the epoch before opens whatever it is given, also what is newer than its end."""
    self._floor = 1 << 62
    return open_other_epoch(self, frame, epoch, seq)


def unauthenticated_close(self, cipher, iv, frame, seq):
    """A control frame that does not open is taken for a close."""
    try:
        return decrypt(self, cipher, iv, frame, seq)
    except (FrameRefused, NotAuthentic):
        if frame[0] == 18:
            return b"\x02"
        raise


@pytest.mark.parametrize(
    ("kind", "method", "broken", "seen"),
    [
        (FrameSealer, "__init__", reused_nonce, "a nonce was used twice"),
        (FrameOpener, "_take_in", window_one_short, "delivered twice"),
        (FrameOpener, "_take_in", late_marked_beside_its_place, "delivered twice"),
        (FrameOpener, "_open_other_epoch", stale_epoch, "that nobody sent"),
        (FrameOpener, "_decrypt", unauthenticated_close, "a close was believed"),
    ],
)
def test_a_planted_bug_is_found(monkeypatch, kind, method, broken, seen):
    monkeypatch.setattr(kind, method, broken)
    found = (line for seed in range(4 * SEEDS) for line in SIMULATIONS["channel"].run(seed).violations)
    assert any(seen in line for line in found)
