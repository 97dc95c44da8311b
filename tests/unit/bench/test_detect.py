"""Events that the benchmark makes of conditions, and the evaluator that it compares with."""

import dataclasses

import pytest

from phalanx.bench.intel._detect import _single
from phalanx.bench.intel._detect_generated import batch_of, matching, near_misses
from phalanx.bench.intel._detect_sqlite import Peer
from phalanx.intel import RuleSet, load_rules, parse_rule
from phalanx.intel.sigma import Equals

RULE = """
title: t
name: r
logsource: {product: windows}
detection:
  sel:
    Image|endswith: ['\\\\a.exe', '\\\\b.exe']
    CommandLine|contains|all: [' -x', foo]
    Port: 443
    Code|re: '^[a-f]{3}\\d+$'
  filter:
    User|startswith: sys
  condition: sel and not filter
"""


def test_an_event_made_from_a_condition_meets_it_and_its_near_misses_differ_in_one_field():
    rule = parse_rule(RULE, where="r.yml")
    event = matching(rule)
    assert list(rule.match(batch_of([event], rule.log_source))) == [0]
    misses = near_misses(event, rule.fields, at=1)
    assert len(misses) == 16
    assert all(sum(event.get(name) != miss.get(name) for name in {*event, *miss}) == 1 for miss in misses)
    assert len(rule.match(batch_of(misses, rule.log_source))) < len(misses) / 2


@pytest.mark.requirement("INT-2")
def test_the_independent_evaluator_agrees_and_notices_a_rule_that_was_compiled_wrongly():
    pytest.importorskip("sigma.backends.sqlite", reason="needs pysigma-backend-sqlite of the extra dev")
    rule = parse_rule(RULE, where="r.yml")
    batch = batch_of([matching(rule), *near_misses(matching(rule), rule.fields, at=1)], rule.log_source)
    peer = Peer({"r": RULE})
    theirs = peer.table([batch], [rule]).hits(rule)
    assert theirs == list(rule.match(batch)) != []
    wrong = dataclasses.replace(rule, predicate=Equals("Port", frozenset(("443",))))
    assert list(wrong.match(batch)) != theirs


@pytest.mark.requirement("INT-2")
def test_every_built_in_rule_is_met_by_the_event_made_from_it():
    rules: RuleSet = load_rules()
    for rule in rules.rules.values():
        batch = batch_of([matching(rule)], rule.log_source)
        assert rule in [hit.rule for hit in rules.evaluate(batch)], rule.name


@pytest.mark.requirement("INT-8")
def test_each_event_is_timed_by_itself_with_every_rule_loaded():
    rules = load_rules()
    events = 50 * [batch_of([matching(rule)], rule.log_source) for rule in rules.rules.values()]
    asked = []

    class Counted:
        def evaluate(self, batch):
            asked.append(len(batch))
            return rules.evaluate(batch)

    found = _single(Counted(), events)
    assert set(asked) == {1}
    assert len(asked) == len(events)
    assert found["events"] == len(events) - 200, "the first are to get warm by"
    assert 0.0 < found["us_p50"] <= found["us_p99"]
