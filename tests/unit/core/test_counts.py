"""Numbers as people say them."""

import pytest

from phalanx.core import counted, how_long, per_second


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"), (0.42, "0.42 s"), (9.96, "10 s"), (45.4, "45 s"), (119.4, "119 s"), (119.8, "2 minutes"),
        (600, "10 minutes"), (86_400, "24 hours"), (409_958.6, "5 days"), (4_839_052, "56 days"),
        (7.7 * 365 * 86_400, "8 years"), (4_000 * 365 * 86_400, "4,000 years"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_said_in_the_unit_that_a_person_would_use(seconds, said):
    assert how_long(seconds) == said


def test_one_is_singular_and_all_else_plural():
    assert [counted(n, "match", "matches") for n in (0, 1, 2_000)] == ["0 matches", "1 match", "2,000 matches"]


@pytest.mark.parametrize(
    ("rate", "said"),
    [(0, "0"), (0.25, "0.25"), (41.04, "41"), (99.96, "100"), (1_160.4, "1,160"), (54_321.9, "54,322")],
)
def test_a_rate_is_written_out(rate, said):
    assert per_second(rate) == said
