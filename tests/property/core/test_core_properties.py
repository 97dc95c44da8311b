"""Laws of identifiers, dates and the wire, over whatever Hypothesis comes up with."""

import contextlib
import typing
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import (
    MAX_BATCH_ROWS,
    NS_PER_US,
    Assessment,
    Baseline,
    Decision,
    Finding,
    Origin,
    Provenance,
    Rng,
    UnknownField,
    Uuid7Source,
    Waypoint,
    WireError,
    decode,
    decode_json,
    derive_id,
    encode,
    encode_json,
    event_id,
    id_time_ms,
    is_id,
    iso_from_ns,
    ns_from_iso,
    split_event_id,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)


def values(kind):
    """A strategy for a struct or one of the types its fields have."""
    if kind is int:
        return INT64
    if kind is float:
        return FLOAT
    if kind is Provenance:
        return provenances()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        names = [name for name in kind.__struct_fields__ if name != "v"]
        return st.builds(kind, **{name: values(hints[name]) for name in names})
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple and arguments[-1] is ...:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if typing.get_origin(kind) is tuple:
        return st.tuples(*map(values, arguments))
    if typing.get_origin(kind) is dict:
        scalars = st.text() | INT64 | FLOAT | st.booleans()
        return st.dictionaries(st.text(), scalars, max_size=3)
    return st.from_type(kind)


@st.composite
def provenances(draw):
    origin = draw(st.sampled_from(Origin))
    return Provenance(
        origin=origin,
        device=draw(st.text()),
        circuits=tuple(draw(st.lists(st.text(), max_size=2))),
        shots=draw(INT64),
        seed=draw(INT64),
        calibrated_at_ns=draw(INT64) if origin is Origin.EMULATED else None,
        baselines=tuple(draw(st.lists(values(Baseline), max_size=2))),
    )


RECORDS = st.one_of(*map(values, (Finding, Assessment, Decision, Waypoint)))
FORMS = pytest.mark.parametrize(("write", "read"), [(encode, decode), (encode_json, decode_json)])


@FORMS
@given(record=RECORDS)
def test_every_record_comes_back_and_equal_records_give_equal_bytes(write, read, record):
    data = write(record)
    back = read(data, type(record))
    assert back == record
    assert type(back) is type(record)
    assert write(back) == data


@given(record=RECORDS, name=st.text(min_size=1), value=st.none() | INT64 | st.text())
def test_no_field_is_dropped_unseen(record, name, value):
    if name in record.__struct_fields__ or name == "kind":
        return
    fields = msgspec.to_builtins(record) | {name: value}
    with pytest.raises(UnknownField):
        decode_json(msgspec.json.encode(fields), type(record))
    with pytest.raises(UnknownField):
        decode(msgspec.msgpack.encode(fields), type(record))


@FORMS
@given(data=st.binary(max_size=200), kind=st.sampled_from((Finding, Assessment, Decision, Waypoint)))
def test_arbitrary_bytes_raise_nothing_but_wire_errors(write, read, data, kind):
    with pytest.raises(WireError):
        read(data, kind)


@FORMS
@given(record=RECORDS, at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_damaged_bytes_are_refused_or_make_a_record_of_the_kind(write, read, record, at, flip):
    data = bytearray(write(record))
    data[int(at * len(data))] ^= flip
    with contextlib.suppress(WireError):
        assert type(read(bytes(data), type(record))) is type(record)


class WalkingClock:
    def __init__(self):
        self.now_ns = 10**18

    def wall_ns(self):
        return self.now_ns

    def monotonic_ns(self):
        return 0


@given(
    seed=st.integers(),
    walk=st.lists(st.tuples(st.integers(-(10**10), 10**10) | st.just(0), st.booleans()), min_size=1),
)
def test_ids_grow_whatever_the_clock_does(seed, walk):
    clock = WalkingClock()
    ids = Uuid7Source(clock, Rng(seed).bits)
    made = []
    batches = []
    for step_ns, is_batch in walk:
        clock.now_ns += step_ns
        made.append(ids.new_batch() if is_batch else ids.new())
        if is_batch:
            batches.append(made[-1])
        assert is_id(made[-1])
        assert id_time_ms(made[-1]) >= clock.now_ns // 10**6
    assert made == sorted(set(made))
    rows = [(batch, event_id(batch, MAX_BATCH_ROWS - 1)) for batch in batches]
    assert all(last < first for (_, last), (first, _) in pairwise(rows))


@given(seed=st.integers(), row=st.integers(0, MAX_BATCH_ROWS - 1))
def test_event_ids_lead_back(seed, row):
    batch = Uuid7Source(WalkingClock(), Rng(seed).bits).new_batch()
    event = event_id(batch, row)
    assert split_event_id(event) == (batch, row)
    assert is_id(event)
    assert batch <= event


@given(at_ns=st.integers(0, 2**62), cause=st.lists(st.text(alphabet=st.characters(codec="utf-8"))))
def test_derived_ids_have_the_form_and_time_of_any_id(at_ns, cause):
    made = derive_id(at_ns, *cause)
    assert is_id(made)
    assert id_time_ms(made) == at_ns // 10**6
    assert derive_id(at_ns, *cause) == made


@given(us=st.integers(-30_610_224_000 * 10**6, 253_402_300_799 * 10**6))
def test_dates_of_four_digit_years_come_back_to_the_microsecond(us):
    assert ns_from_iso(iso_from_ns(us * NS_PER_US)) == us * NS_PER_US
    assert iso_from_ns(us * NS_PER_US + 999) == iso_from_ns(us * NS_PER_US)


@given(seed=st.integers(), path=st.lists(st.text()), draws=st.integers(0, 5))
def test_a_stream_does_not_depend_on_what_its_ancestors_draw(seed, path, draws):
    def reach(*, busy):
        rng = Rng(seed)
        for name in path:
            for _ in range(draws if busy else 0):
                rng.random()
            rng = rng.child(name)
        return rng.bits(128)

    assert reach(busy=True) == reach(busy=False)
