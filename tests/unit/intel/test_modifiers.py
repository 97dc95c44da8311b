"""Modifiers that write a value otherwise, compare two fields, or look at a time."""

import base64

import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, LogSource
from phalanx.intel import InvalidRule, UnsupportedRule, parse_rule
from phalanx.intel.sigma._values import base64_offsets


def matches(item, *events):
    """Which of ``events`` a rule with the one line ``item`` is about."""
    rule = parse_rule(
        f"title: t\nlogsource: {{product: p}}\ndetection:\n  sel:\n    {item}\n  condition: sel\n", where="r.yml"
    )
    names = dict.fromkeys(name for event in events for name in event)
    columns = {name: [event.get(name) for event in events] for name in names}
    n = len(events)
    batch = EventBatch(
        DEFAULT_TENANT, BatchId("b"), LogSource("p"), "r", 1, list(range(n)), [1] * n, [b""] * n, columns
    )
    return list(rule.match(batch))


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("secret", [b"whoami", b"a", b"/bin/sh", b"Invoke-Mimikatz"])
@pytest.mark.parametrize("before", range(5))
@pytest.mark.parametrize("after", range(5))
def test_base64_texts_that_hold_a_secret_hold_one_of_its_writings(secret, before, after):
    text = base64.b64encode(b"x" * before + secret + b"y" * after).decode()
    assert any(writing in text for writing in base64_offsets(secret))


def test_base64offset_finds_the_text_wherever_it_begins():
    events = [{"f": "run " + base64.b64encode(b"x" * n + b"whoami /all" + b"yy").decode()} for n in range(3)]
    assert matches("f|base64offset|contains: whoami", *events, {"f": "whoami"}) == [0, 1, 2]


def test_wide_base64_is_what_powershell_takes():
    encoded = base64.b64encode("IEX (New-Object".encode("utf-16-le")).decode()
    assert matches("f|wide|base64offset|contains: IEX", {"f": f"-enc {encoded}"}, {"f": "IEX"}) == [0]
    assert matches("f|wide|base64: IEX", {"f": base64.b64encode("IEX".encode("utf-16-le")).decode()}) == [0]
    assert matches("f|utf16be|base64: IEX", {"f": base64.b64encode("IEX".encode("utf-16-be")).decode()}) == [0]
    assert matches("f|wide: IEX", {"f": "I\0E\0X\0"}, {"f": "IEX"}) == [0]


def test_a_reference_compares_two_fields_of_one_event():
    events = [{"a": "X", "b": "x"}, {"a": "x", "b": "y"}, {"a": "x"}, {"a": "abc", "b": "B"}, {"a": "", "b": ""}]
    assert matches("a|fieldref: b", *events) == [0, 4]
    assert matches("a|fieldref|contains: b", *events) == [0, 3, 4]
    assert matches("a|fieldref|endswith: b", *events) == [0, 4]
    assert matches("a|cased|fieldref: b", *events) == [4]


def test_not_equal_and_parts_of_a_time():
    assert matches("f|neq: x", {"f": "x"}, {"f": "y"}, {}) == [1, 2]
    times = [{"t": "2026-03-02T22:10:00Z"}, {"t": "2026-03-02T09:10:00+01:00"}, {"t": "soon"}, {}]
    assert matches("t|hour: 22", *times) == [0]
    assert matches("t|year: 2026", *times) == [0, 1]
    assert matches("t|week: 10", *times) == [0, 1]


@pytest.mark.parametrize("item", [
    "f|base64: a*b", "f|wide|utf16: x", "f|fieldref|re: g", "f|fieldref: 1", "f|hour: .inf", "f|hour: .nan",
    "f|hour: 2.5", "f|lt: .nan",
])  # fmt: skip
def test_what_makes_no_sense_is_refused(item):
    with pytest.raises(InvalidRule):
        matches(item, {"f": "x"})


def test_placeholders_are_refused_by_name():
    with pytest.raises(UnsupportedRule) as caught:
        matches("f|expand: '%admins%'", {"f": "x"})
    assert "expand" in str(caught.value)
