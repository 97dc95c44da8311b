import io
import json
import math

import pytest

from phalanx.core import InvalidInput
from phalanx.telemetry import HumanSink, JsonSink, Level, Logger, Telemetry


class Unprintable:
    """Fails the test when anybody formats it."""

    def __str__(self) -> str:
        raise AssertionError("formatted what nobody reads")

    __repr__ = __str__
    __format__ = None


class ClosedStream:
    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise AssertionError("flushed what was not written")


@pytest.fixture
def records():
    return []


def lines(clock, sink_type, log, **options):
    stream = io.StringIO()
    log(Logger(clock, sink_type(stream, **options), Level.DEBUG))
    return stream.getvalue()


def test_nothing_is_formatted_below_the_threshold(clock, records):
    log = Telemetry(clock, log_sink=records.append, level="warning").log
    log.debug("detail", value=Unprintable())
    log.info("news", value=Unprintable())
    assert records == []
    log.warning("trouble", value=7)
    log.error("failure")
    assert [(record.level, record.event) for record in records] == [
        (Level.WARNING, "trouble"),
        (Level.ERROR, "failure"),
    ]


def test_a_sink_gets_the_values_as_they_were_given(clock, records):
    value = Unprintable()
    Telemetry(clock, log_sink=records.append).log.info("news", value=value)
    assert records[0].fields["value"] is value
    assert records[0].at_ns == clock.wall


def test_bound_fields_are_on_every_record_and_a_call_may_replace_them(clock, records):
    log = Telemetry(clock, log_sink=records.append).log
    bound = log.bind(room="intel", batch="b1").bind(batch="b2")
    bound.info("one")
    bound.info("two", batch="b3")
    log.info("three")
    assert [dict(record.fields) for record in records] == [
        {"room": "intel", "batch": "b2"},
        {"room": "intel", "batch": "b3"},
        {},
    ]


def test_without_a_sink_logs_go_nowhere(clock):
    Telemetry(clock).log.error("failure", value=Unprintable())


def test_an_unknown_level_names_the_known_ones(clock):
    with pytest.raises(InvalidInput, match="'loud' is none of debug, info, warning, error"):
        Telemetry(clock, level="loud")


def test_people_read_a_line(clock):
    text = lines(clock, HumanSink, lambda log: log.info("chunk accepted", events=12, tenant="default", took=0.5))
    assert text == "2026-01-02T03:04:05.000006Z info     chunk accepted  events=12 tenant=default took=0.5\n"


def test_people_read_values_with_spaces_in_quotes(clock):
    text = lines(clock, HumanSink, lambda log: log.info("e", a="two words", b="", c='say "x"', d=[1, "y"], e=None))
    assert text.endswith('  a="two words" b="" c="say \\"x\\"" d=[1,"y"] e=null\n')


def test_colours_only_when_asked_for(clock):
    assert "\x1b" not in lines(clock, HumanSink, lambda log: log.error("failure", why="x"))
    assert "\x1b[31merror" in lines(clock, HumanSink, lambda log: log.error("failure", why="x"), color=True)


@pytest.mark.parametrize("sink", [HumanSink, JsonSink])
@pytest.mark.parametrize(
    "hostile", ["a\nb", "a\rb", "a\x1b[2Jb", "a\x9b2Jb", "a\u202eb", "a\u2028b", "a\x00b", "\ud800"]
)
def test_a_logged_value_cannot_forge_a_line_or_move_the_cursor(clock, hostile, sink):
    text = lines(clock, sink, lambda log: log.warning(hostile, value=hostile, more=[hostile]))
    assert text.endswith("\n")
    assert text[:-1].isprintable()


def test_machines_read_one_object_a_line(clock):
    def log(logger):
        logger.bind(room="intel").warning("chunk refused", reason="too long", n=3)
        logger.error("failed", error=ValueError("bad"), nested={"a": (1, 2.5, None, True)})

    first, second = (json.loads(line) for line in lines(clock, JsonSink, log).splitlines())
    assert first == {
        "at": "2026-01-02T03:04:05.000006Z",
        "level": "warning",
        "event": "chunk refused",
        "room": "intel",
        "reason": "too long",
        "n": 3,
    }
    assert second["error"] == "ValueError: bad"
    assert second["nested"] == {"a": [1, 2.5, None, True]}


def test_a_field_cannot_stand_in_for_the_level_or_time(clock):
    line = json.loads(lines(clock, JsonSink, lambda log: log.info("e", level="error", at="never", ok=1)))
    assert (line["level"], line["level_"], line["at_"], line["ok"]) == ("info", "error", "never", 1)


def test_values_that_json_has_no_word_for(clock):
    deep = [[[[[["bottom"]]]]]]
    line = json.loads(
        lines(
            clock, JsonSink, lambda log: log.info("e", nan=math.nan, big=1 << 80, bad="\ud800", deep=deep, raw=b"\xff")
        )
    )
    assert line["nan"] is None
    assert line["big"] == str(1 << 80)
    assert line["bad"] == "\\ud800"
    assert line["deep"] == [[[["[['bottom']]"]]]]
    assert line["raw"] == "b'\\xff'"


def test_a_long_value_is_cut_and_says_how_long_it_was(clock):
    line = json.loads(lines(clock, JsonSink, lambda log: log.info("e", value="x" * 5_000)))
    assert line["value"] == "x" * 2_000 + "… (5000 characters)"


@pytest.mark.parametrize("sink_type", [HumanSink, JsonSink])
def test_a_stream_that_is_gone_loses_lines_and_counts_them(clock, sink_type):
    sink = sink_type(ClosedStream())
    log = Telemetry(clock, log_sink=sink).log
    log.info("one")
    log.info("two")
    assert sink.lost == 2
    closed = io.StringIO()
    closed.close()
    sink = sink_type(closed)
    Telemetry(clock, log_sink=sink).log.info("one")
    assert sink.lost == 1
