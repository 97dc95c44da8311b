import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.telemetry import RELATIVE_ERROR, Sketch

positive = st.floats(min_value=1e-11, max_value=1e11)
values = st.lists(st.one_of(st.just(0.0), positive), min_size=1, max_size=200)


def sketch_of(numbers):
    sketch = Sketch()
    for number in numbers:
        sketch.add(number)
    return sketch


def test_the_stated_error_is_below_one_percent():
    assert RELATIVE_ERROR < 0.0055


@given(values, st.floats(min_value=0, max_value=1))
def test_a_quantile_is_the_value_of_its_rank_within_the_error(numbers, q):
    true = sorted(numbers)[math.floor(q * (len(numbers) - 1))]
    assert sketch_of(numbers).quantile(q) == pytest.approx(true, rel=RELATIVE_ERROR * (1 + 1e-9))


@given(values)
def test_count_and_sum_are_exact(numbers):
    sketch = sketch_of(numbers)
    assert sketch.count == len(numbers) == sketch.zeros + sum(sketch.buckets.values())
    assert sketch.sum == pytest.approx(math.fsum(numbers))


@given(values, values)
def test_merging_is_adding_all(left, right):
    merged = sketch_of(left)
    merged.merge(sketch_of(right))
    together = sketch_of(left + right)
    assert (merged.buckets, merged.zeros, merged.count) == (together.buckets, together.zeros, together.count)
    assert merged.sum == pytest.approx(together.sum)


@given(st.lists(st.integers(-45, 45).map(lambda k: 2.0**k), min_size=1))
def test_powers_of_two_are_edges_and_belong_below(numbers):
    for edge, below in sketch_of(numbers).octaves(-20, 20):
        assert below == sum(number <= edge for number in numbers)


@given(st.sampled_from([-1.0, -math.inf, math.nan, 0.0, -0.0, 1e-300]))
def test_what_is_no_positive_length_counts_as_zero(number):
    sketch = sketch_of([number])
    assert (sketch.count, sketch.zeros, sketch.sum, sketch.quantile(0.5)) == (1, 1, 0.0, 0.0)


@given(st.sampled_from([math.inf, 1e300, 2.0**40]))
def test_the_largest_bucket_takes_the_rest(number):
    sketch = sketch_of([number])
    assert sketch.quantile(1.0) == pytest.approx(2.0**40, rel=RELATIVE_ERROR)
    assert math.isfinite(sketch.sum)
