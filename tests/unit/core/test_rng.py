"""Random streams: one path, one stream, whatever others draw."""

import statistics

import pytest

from phalanx.core import Rng


def test_a_child_depends_on_seed_and_path_alone():
    def draws(rng):
        return [rng.bits(64) for _ in range(5)]

    expected = draws(Rng(7).child("a").child("b"))
    busy = Rng(7)
    busy.shuffle(list(range(100)))
    busy.child("other").numpy().random(50)
    parent = busy.child("a")
    parent.random()
    assert draws(parent.child("b")) == expected
    assert draws(Rng(8).child("a").child("b")) != expected
    assert draws(Rng(7).child("b").child("a")) != expected
    assert draws(Rng(7)) != draws(Rng(7).child(""))


def test_numpy_streams_are_apart_from_plain_draws():
    rng = Rng(7).child("a")
    expected = rng.numpy().random(3).tolist()
    rng.random()
    assert rng.numpy().random(3).tolist() == expected
    again = Rng(7).child("a")
    first = again.random()
    again.numpy().random(100)
    assert [first, again.random()] == [(plain := Rng(7).child("a")).random(), plain.random()]


def test_streams_are_stable_across_versions():
    """A seed in a bug report must give the same run later: these values may never change."""
    rng = Rng(7).child("scheduler")
    assert rng.bits(64) == 18_012_275_621_568_860_022
    assert [rng.integer(0, 100) for _ in range(5)] == [16, 24, 86, 45, 8]
    assert rng.bytes(4).hex() == "8d1b9b12"
    assert Rng(7).random() == 0.4298865100259893
    assert Rng(7).child("scheduler").numpy().integers(0, 1_000, 4).tolist() == [219, 781, 337, 881]


def test_each_draw_is_what_it_says():
    rng = Rng(3)
    assert {rng.integer(2, 5) for _ in range(100)} == {2, 3, 4}
    assert all(0 <= rng.random() < 1 for _ in range(100))
    assert all(-1 <= rng.uniform(-1, 3) <= 3 for _ in range(100))
    assert not any(rng.chance(0) for _ in range(100))
    assert all(rng.chance(1) for _ in range(100))
    assert 0.2 < sum(rng.chance(0.3) for _ in range(2_000)) / 2_000 < 0.4
    assert {rng.choice("abc") for _ in range(100)} == set("abc")
    assert {rng.weighted("abc", (1, 0, 1)) for _ in range(100)} == set("ac")
    assert sorted(rng.sample(range(10), 10)) == list(range(10))
    items = list(range(20))
    rng.shuffle(items)
    assert sorted(items) == list(range(20))
    assert items != list(range(20))
    assert len(rng.bytes(12)) == 12
    assert rng.bits(8) < 256
    assert statistics.mean(rng.exponential(4.0) for _ in range(5_000)) == pytest.approx(4, rel=0.1)
    normal = [rng.gauss(10, 2) for _ in range(5_000)]
    assert statistics.mean(normal) == pytest.approx(10, rel=0.05)
    assert statistics.stdev(normal) == pytest.approx(2, rel=0.1)
    with pytest.raises(ValueError, match="empty"):
        rng.integer(3, 3)


def test_a_name_with_a_slash_is_not_a_path():
    assert Rng(1).child("a/b").bits(64) != Rng(1).child("a").child("b").bits(64)
