"""The plan of many rules finds exactly what each of them finds by itself, with either matcher."""

from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, LogSource
from phalanx.intel import RuleSet, parse_rule
from phalanx.intel.sigma import _matcher as matcher_module
from phalanx.intel.sigma._matcher import HyperscanMatcher, PlainMatcher
from phalanx.intel.sigma._texts import Texts
from phalanx.intel.sigma._witness import Atom, Place

SOURCE = LogSource("p", "c", "s")
FIELDS = ("Image", "CommandLine", "EventID", "User")
# Few letters, so that texts meet; and those that are hard to tell in upper and lower case or to count in bytes.
LETTERS = st.text(st.sampled_from("abAB\\.-Kſİσς😀\n |'\""), min_size=1, max_size=5)
PLACES = st.sampled_from(["", "|contains", "|startswith", "|endswith", "|contains|all", "|cased", "|contains|cased"])
WANTED = LETTERS | st.integers(0, 12) | st.sampled_from(["a*b", "?b", ".*"])
ITEMS = st.tuples(PLACES, st.lists(WANTED, min_size=1, max_size=3))
VALUES = st.one_of(LETTERS, st.integers(0, 12), st.booleans(), st.none())


def quoted(value):
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value.replace("\\", "\\\\")) + '"'
    return "null" if value is None else str(value).lower()


@st.composite
def rule_texts(draw):
    selections = []
    for number in range(draw(st.integers(1, 3))):
        if draw(st.integers(0, 5)) == 0:
            words = draw(st.lists(LETTERS, min_size=1, max_size=3))
            selections.append(f"  s{number}: [{', '.join(map(quoted, words))}]")
            continue
        items = draw(st.dictionaries(st.sampled_from(FIELDS), ITEMS, min_size=1, max_size=2))
        body = "".join(
            f"    {name}{place}: [{', '.join(map(quoted, values))}]\n" for name, (place, values) in items.items()
        )
        selections.append(f"  s{number}:\n{body}")
    conditions = ["1 of s*", "all of them", "s0", "not s0", "s0 and not 1 of s*", "not all of them or s0"]
    head = "title: t\nlogsource: {product: p}\ndetection:\n" + "\n".join(selections)
    return f"{head}\n  condition: {draw(st.sampled_from(conditions))}\n"


EVENTS = st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES), min_size=1, max_size=8)


def batch_of(events):
    n = len(events)
    columns = {name: [event.get(name) for event in events] for name in FIELDS if any(name in event for event in events)}
    return EventBatch(DEFAULT_TENANT, BatchId("b"), SOURCE, "r", 1, range(n), [1] * n, [b""] * n, columns)


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("few", [0, 4, 10_000])
@settings(max_examples=150)
@given(texts=st.lists(rule_texts(), min_size=1, max_size=6), events=EVENTS)
def test_the_plan_finds_what_every_rule_finds_alone(few, texts, events):
    rules = [parse_rule(text, where=f"r{number}") for number, text in enumerate(texts)]
    batch = batch_of(events)
    with mock.patch.object(matcher_module, "_FEW", few):
        planned = RuleSet(rules)
    found = {(hit.rule.name, hit.place) for hit in planned.evaluate(batch)}
    assert found == {(rule.name, place) for rule in rules for place in rule.match(batch)}


@given(
    atoms=st.lists(
        st.builds(Atom, st.just("f"), st.sampled_from(Place), LETTERS.map(str.lower)), min_size=1, max_size=6
    ),
    values=st.lists(LETTERS, min_size=1, max_size=5),
)
def test_no_matcher_overlooks_what_is_there(atoms, values):
    pytest.importorskip("hyperscan", reason="needs the extra matching")
    texts = Texts([values])
    for made in (HyperscanMatcher(atoms), PlainMatcher(atoms)):
        found = made.find(texts)
        at = texts.rows_at([end for _, end in found])
        told = {(number, row) for (number, _), row in zip(found, at, strict=True)}
        for number, atom in enumerate(atoms):
            for row, value in enumerate(value.lower() for value in values):
                holds = {
                    Place.WHOLE: value == atom.text,
                    Place.START: value.startswith(atom.text),
                    Place.END: value.endswith(atom.text),
                    Place.INSIDE: atom.text in value,
                }[atom.place]
                assert not holds or (number, row) in told


def test_threads_that_ask_one_matcher_beside_each_other_all_find_it():
    pytest.importorskip("hyperscan", reason="needs the extra matching")
    atoms = [Atom("f", Place.INSIDE, f"needle{number}") for number in range(8)]
    made, texts = HyperscanMatcher(atoms), Texts([["hay" * 40] * 2_000 + ["a needle3 and a needle7"]])
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(made.find, [texts] * 100))
    assert [{number for number, _ in one} for one in found] == [{3, 7}] * 100
