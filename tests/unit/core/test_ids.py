"""Identifiers: sortable, one form, and event ids that lead back to their batch."""

import uuid
from itertools import pairwise

import pytest

from phalanx.core import (
    MAX_BATCH_ROWS,
    NS_PER_MS,
    BatchId,
    Rng,
    Uuid7Source,
    derive_id,
    event_id,
    id_time_ms,
    id_time_ns,
    is_id,
    split_event_id,
)

NOW_NS = 1_767_225_600_123_456_789


class SetClock:
    def __init__(self, wall_ns=NOW_NS):
        self.now_ns = wall_ns

    def wall_ns(self):
        return self.now_ns

    def monotonic_ns(self):
        return 0


def source(clock=None, bits=None):
    return Uuid7Source(clock or SetClock(), bits or Rng(1).child("ids").bits)


def test_an_id_is_a_version_7_uuid_of_its_millisecond():
    made = uuid.UUID(source().new())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == NOW_NS // NS_PER_MS
    assert id_time_ms(str(made)) == NOW_NS // NS_PER_MS


def test_ids_of_one_millisecond_grow_and_are_hard_to_guess():
    ids = source()
    made = [ids.new() for _ in range(1_000)]
    assert made == sorted(set(made))
    steps = [uuid.UUID(b).int - uuid.UUID(a).int for a, b in pairwise(made)]
    assert len(set(steps)) > 900


def test_ids_do_not_go_back_when_the_clock_does():
    clock = SetClock()
    ids = source(clock)
    before = ids.new()
    clock.now_ns -= 3_600 * 10**9
    after = ids.new()
    assert after > before
    assert id_time_ms(after) == id_time_ms(before)
    clock.now_ns += 7_200 * 10**9
    assert id_time_ms(ids.new()) == clock.now_ns // NS_PER_MS


def test_an_exhausted_millisecond_borrows_the_next():
    ids = source(bits=lambda n: (1 << n) - 1)
    made = [ids.new() for _ in range(3)] + [ids.new_batch() for _ in range(1_000)]
    assert made == sorted(set(made))
    ids._last_random = (1 << 74) - 1
    later = ids.new()
    assert later > made[-1]
    assert id_time_ms(later) == id_time_ms(made[-1]) + 1


def test_events_of_two_batches_never_share_an_id():
    ids = source(bits=lambda n: 0)
    batches = [ids.new_batch() for _ in range(50)]
    assert all(split_event_id(batch) == (batch, 0) for batch in batches)
    last_rows = [event_id(batch, MAX_BATCH_ROWS - 1) for batch in batches]
    assert [name for pair in zip(batches, last_rows, strict=True) for name in pair] == sorted(batches + last_rows)


def test_an_id_made_after_a_batch_is_not_one_of_its_events():
    ids = source(bits=lambda n: 0)
    batch = ids.new_batch()
    assert split_event_id(ids.new())[0] != batch


def test_an_id_tells_the_millisecond_it_is_dated_in_nanoseconds():
    made = derive_id(NOW_NS + 1, "mission", "x")
    assert id_time_ns(made) == NOW_NS // NS_PER_MS * NS_PER_MS
    assert derive_id(id_time_ns(made), "mission", "x") == made


def test_an_event_id_leads_to_its_batch_and_row():
    batch = source().new_batch()
    for row in (0, 1, 0xABCDE, MAX_BATCH_ROWS - 1):
        event = event_id(batch, row)
        assert is_id(event)
        assert split_event_id(event) == (batch, row)
        assert id_time_ms(event) == id_time_ms(batch)
    with pytest.raises(AssertionError):
        event_id(batch, MAX_BATCH_ROWS)
    with pytest.raises(AssertionError):
        event_id(batch, -1)


def test_what_follows_from_one_cause_has_one_id():
    made = derive_id(NOW_NS, "finding", "acme", "rule-1", "host-a")
    assert made == derive_id(NOW_NS, "finding", "acme", "rule-1", "host-a")
    assert made == derive_id(NOW_NS + 500_000, "finding", "acme", "rule-1", "host-a"), "same millisecond"
    assert is_id(made)
    others = [
        derive_id(NOW_NS, "finding", "acme", "rule-1", "host-b"),
        derive_id(NOW_NS, "finding", "acme", "rule-1host-a"),
        derive_id(NOW_NS, "finding", "rule-1", "acme", "host-a"),
        derive_id(NOW_NS + NS_PER_MS, "finding", "acme", "rule-1", "host-a"),
        derive_id(NOW_NS),
    ]
    assert len({made, *others}) == 6


def test_ids_are_stable_across_versions():
    """Stored ids must be found again: these values may never change."""
    # The low 74 bits are the first of BLAKE2b-80, here as `b2sum -l 80` computes it: c11956656fb1e1b89185.
    assert derive_id(NOW_NS, "finding", "acme", "rule-1", "host-a") == "019b76da-a87b-7c11-a559-95bec786e246"
    assert event_id(BatchId("019b76da-a87b-7e5f-a78e-cd8b0e000000"), 74_565) == "019b76da-a87b-7e5f-a78e-cd8b0e012345"
    ids = source()
    assert [ids.new(), ids.new_batch(), ids.new()] == [
        "019b76da-a87b-7076-aacb-453d3f9bb466",
        "019b76da-a87b-7076-aacb-453d5e800000",
        "019b76da-a87b-7076-aacb-453d86514f18",
    ]


def test_only_the_one_written_form_is_an_id():
    made = source().new()
    assert is_id(made)
    wrong = ["", made[:-1], made + "0", made.upper(), made.replace("-", "", 1) + "0", f"{{{made[1:-1]}}}"]
    wrong += [made[:14] + "4" + made[15:], "g" + made[1:], " " + made[1:]]
    for text in wrong:
        assert not is_id(text), text


@pytest.mark.parametrize("text", ["-" * 14 + "7" + "-" * 21, "019b76da-a87b-7e5f-078e-cd8b0e000000"])
def test_dashes_are_no_digits_and_the_variant_counts(text):
    assert not is_id(text)


def test_no_two_causes_give_one_id():
    ids = {derive_id(NOW_NS, *cause) for cause in (("a", "b"), ("a\x1fb",), ("a\x1e1b",), ("a\x1e", "b"), ("ab",))}
    assert len(ids) == 5
