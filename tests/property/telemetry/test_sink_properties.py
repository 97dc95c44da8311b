import io
import json

from hypothesis import given
from hypothesis import strategies as st

from phalanx.telemetry import HumanSink, JsonSink, Level, LogRecord

fields = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
))  # fmt: skip


@given(st.text(max_size=50), fields)
def test_people_get_exactly_one_printable_line(event, values):
    stream = io.StringIO()
    sink = HumanSink(stream)
    sink(LogRecord(0, Level.INFO, event, values))
    assert sink.lost == 0
    assert stream.getvalue()[-1] == "\n"
    assert stream.getvalue()[:-1].isprintable()


@given(st.text(max_size=50), st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=100)))
def test_machines_get_exactly_one_line_that_says_the_same(event, values):
    stream = io.StringIO()
    JsonSink(stream)(LogRecord(0, Level.INFO, event, values))
    (line,) = stream.getvalue().rstrip("\n").split("\n")
    read = json.loads(line)
    assert read["event"] == event
    assert {name: read[name] for name in values} == values


@given(fields)
def test_machines_can_read_whatever_is_logged(values):
    stream = io.StringIO()
    sink = JsonSink(stream)
    sink(LogRecord(0, Level.INFO, "e", values))
    assert sink.lost == 0
    assert json.loads(stream.getvalue()).keys() == {"at", "level", "event", *values}
