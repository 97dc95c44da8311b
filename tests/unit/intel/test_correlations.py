"""Correlation rules and filters: counts, values, order, groups, bounds, and what survives a restart and a reload."""

import pytest

from phalanx.core import DEFAULT_TENANT, NS_PER_S, BatchId, EventBatch, LogSource, derive_id
from phalanx.intel import InvalidRule, RuleSet, UnsupportedRule, load_rules
from phalanx.intel.sigma import _correlation as module
from phalanx.intel.sigma import parse_file
from phalanx.testing.contracts import DETECTOR_CHECKS

BASE = """
title: Failed login
name: failed
id: 11111111-0000-4000-8000-000000000000
logsource: {product: p}
detection: {sel: {action: fail}, condition: sel}
---
title: Login
name: login
logsource: {product: p}
detection: {sel: {action: ok}, condition: sel}
---
"""


def correlation(body, *, generate=False):
    head = "title: c\nname: c\nlevel: high\ntags: [attack.t1110]\ncorrelation:"
    return f"{head}\n  {body}\n  generate: {str(generate).lower()}\n"


def ruleset(text):
    parts = parse_file(BASE + text, where="c.yml")
    kinds = {
        kind: [part for part in parts if type(part).__name__ == kind] for kind in ("Rule", "CorrelationRule", "Filter")
    }
    return RuleSet(kinds["Rule"], correlations=kinds["CorrelationRule"], filters=kinds["Filter"])


COUNT = correlation("type: event_count\n  rules: [failed]\n  group-by: [user]\n  timespan: 1m\n  condition: {gte: 3}")
VALUES = correlation(
    "type: value_count\n  rules: [failed]\n  group-by: [src]\n  timespan: 1m\n  condition: {field: user, gte: 3}"
)
ORDERED = correlation("type: temporal_ordered\n  rules: [failed, login]\n  group-by: [user]\n  timespan: 1m")
ANY_ORDER = correlation("type: temporal\n  rules: [failed, login]\n  group-by: [user]\n  timespan: 1m")


def event(at_s, action="fail", user="anna", src="s"):
    return {"at_s": at_s, "action": action, "user": user, "src": src}


def batch_of(events, number=0):
    n = len(events)
    columns = {name: [one.get(name) for one in events] for name in ("action", "user", "src")}
    times = [one["at_s"] * NS_PER_S for one in events]
    ident = BatchId(derive_id(1, "batch", str(number)))
    return EventBatch(DEFAULT_TENANT, ident, LogSource("p"), "r", 1, list(range(n)), times, [b""] * n, columns)


def found(rules, *events, together=True):
    """Times of the events that completed something."""
    batches = [batch_of(events)] if together else [batch_of([one], n) for n, one in enumerate(events)]
    return [hit.batch.times_ns[hit.place] // NS_PER_S for batch in batches for hit in rules.evaluate(batch)]


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("together", [True, False])
def test_so_many_events_of_one_group_within_a_time(together):
    near = [event(0), event(30), event(59)]
    assert found(ruleset(COUNT), *near, together=together) == [59]
    assert found(ruleset(COUNT), event(0), event(30), event(61), together=together) == []
    others = [event(1, user="bert"), event(2, user="cleo"), event(3, user="dora")]
    assert found(ruleset(COUNT), event(0), *others, event(4), together=together) == []
    assert found(ruleset(COUNT), event(0), event(1, user=None), event(2), together=together) == []


def test_events_out_of_order_are_put_in_their_places():
    assert found(ruleset(COUNT), event(50), event(100), event(75), together=False) == [75]
    assert found(ruleset(COUNT), event(500), event(501), event(1), together=False) == []


@pytest.mark.requirement("INT-2")
@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("at", range(3))
def test_an_event_of_a_time_yet_to_come_does_not_make_what_comes_after_it_too_old(at):
    events = [event(0), event(30), event(59)]
    events.insert(at, event(4_000_000_000))
    assert found(ruleset(COUNT), *events, together=False) == [59]


def test_so_many_values():
    assert found(ruleset(VALUES), event(0, user="a"), event(1, user="b"), event(2, user="b"), event(3, user="c")) == [3]
    assert found(ruleset(VALUES), *[event(n, user="a") for n in range(9)]) == []


@pytest.mark.requirement("INT-2")
def test_rules_one_after_another_and_in_any_order():
    assert found(ruleset(ORDERED), event(0), event(9, "ok")) == [9]
    assert found(ruleset(ORDERED), event(0, "ok"), event(9)) == []
    assert found(ruleset(ANY_ORDER), event(0, "ok"), event(9)) == [9]
    assert found(ruleset(ANY_ORDER), event(0, "ok"), event(70)) == []


def test_rules_that_are_correlated_keep_quiet_unless_they_are_told_to_speak():
    loud = ruleset(
        correlation(
            "type: event_count\n  rules: [failed]\n  timespan: 1m\n  condition: {gte: 2}", generate=True,
        )
    )  # fmt: skip
    hits = loud.evaluate(batch_of([event(0), event(1)]))
    assert [hit.rule.name for hit in hits] == ["failed", "failed", "c"]
    quiet = ruleset(COUNT).evaluate(batch_of([event(0), event(1), event(2), event(3, "ok")]))
    assert [hit.rule.name for hit in quiet] == ["login", "c"]


def test_a_hit_says_what_it_is_about_and_shows_its_evidence():
    rules = ruleset(COUNT)
    rules.evaluate(batch_of([event(0), event(5)]))
    (hit,) = rules.evaluate(batch_of([event(9)], 1))
    assert hit.told == "3 events within 9 s of user 'anna'."
    assert hit.rule.techniques == ("T1110",)
    assert len(hit.earlier) == 3
    assert hit.subject == '["anna"]'


def test_a_correlation_may_be_about_a_correlation_and_name_rules_by_id():
    text = COUNT.replace("[failed]", "['11111111-0000-4000-8000-000000000000']")
    text += "---\ntitle: d\nname: d\ncorrelation:\n  type: temporal_ordered\n  rules: [c, login]\n"
    text += "  group-by: [user]\n  timespan: 5m\n"
    assert found(ruleset(text), event(0), event(1), event(2), event(9, "ok")) == [9]


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("text", [COUNT, VALUES, ORDERED, ANY_ORDER])
def test_correlations_are_a_detector_that_remembers(check, text):
    events = [
        event(n, "ok" if n % 4 == 3 else "fail", user="ab"[n % 2] if "value" not in text else str(n)) for n in range(12)
    ]
    check(lambda: ruleset(text), [batch_of([one], n) for n, one in enumerate(events)])


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_CORRELATED_EVENTS", 50)
    rules = ruleset(COUNT)
    for number in range(40):
        rules.evaluate(batch_of([event(0, user=str(number)), event(1, user=str(number))], number))
    assert len(rules.state(DEFAULT_TENANT)) < 50 * 80
    assert found(rules, event(2, user="39")) == [2]
    assert found(rules, event(2, user="0")) == []


def test_rules_that_take_over_go_on_with_what_is_waited_for():
    before = ruleset(COUNT)
    found(before, event(0), event(1))
    after = ruleset(COUNT)
    after.take_over(before)
    assert found(after, event(2)) == [2]
    assert sum(cost.hits for cost in after.costs()) == 3


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("type: event_count\n  rules: [failed]\n  timespan: 1m\n  condition: {lt: 3}", UnsupportedRule),
        ("type: value_avg\n  rules: [failed]\n  timespan: 1m", UnsupportedRule),
        ("type: temporal\n  rules: [failed]\n  timespan: soon", InvalidRule),
        ("type: event_count\n  rules: [nobody]\n  timespan: 1m\n  condition: {gte: 3}", InvalidRule),
        ("type: event_count\n  rules: [failed]\n  timespan: 1m\n  condition: {gte: 0}", InvalidRule),
        ("type: temporal\n  rules: [c, failed]\n  timespan: 1m", InvalidRule),
        ("type: value_count\n  rules: [failed]\n  timespan: 1m\n  condition: {gte: 2}", InvalidRule),
    ],
)
def test_what_cannot_be_correlated_is_refused(body, error):
    with pytest.raises(error):
        ruleset(correlation(body))


@pytest.mark.requirement("INT-2")
def test_a_filter_narrows_the_rules_it_names():
    text = (
        "title: f\nlogsource: {product: p}\nfilter:\n  rules: [failed]\n  own: {user|startswith: svc}\n"
        "  condition: not own\n"
    )
    batch = batch_of([event(0), event(1, user="svc-x"), event(2, "ok", "svc-x")])
    names = [(hit.rule.name, hit.place) for hit in ruleset(text).evaluate(batch)]
    assert names == [("failed", 0), ("login", 2)]


def test_a_folder_may_hold_correlations_filters_and_what_is_beyond_the_compiler(tmp_path):
    (tmp_path / "a.yml").write_text(BASE + COUNT)
    (tmp_path / "b.yml").write_text(
        "title: b\nlogsource: {product: p}\ndetection: {s: {f|expand: '%x%'}, condition: s}"
    )
    rules = load_rules(tmp_path)
    assert "c" in rules.correlations
    assert [one.file for one in rules.refused] == ["b.yml"]
    assert "expand" in rules.refused[0].reason
