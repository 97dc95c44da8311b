"""A question to the archive finds what going through every event would find, and is written as it is read."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.adapters.storage import FolderBlobs
from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, TenantId
from phalanx.intel.archive import (
    Archive,
    InvalidQuery,
    Searches,
    SegmentFiles,
    _asking,
    _directory,
    _segment,
    mark_of,
    parse,
)
from phalanx.intel.archive._query import And, Compare, CountBy, Match, Not, Or, Query, Regex, Sign, Text, Value, Wild
from phalanx.intel.sigma import as_text
from phalanx.testing import InlineOffload, SimEntropy, SimWorld

TENANT = TenantId("acme")
NOW_NS = 1_772_445_600 * NS_PER_S
TEXTS = st.text(alphabet="abAB1.\\-é* ", max_size=7)
VALUES = st.one_of(
    TEXTS, st.integers(-2, 12), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)
FIELDS = ("name", "Name", "size", "other")
EVENTS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4), st.integers(0, 5)), min_size=1, max_size=24
)
PARTS = st.lists(
    st.one_of(st.text("abAB1.\\-é ", min_size=1, max_size=3), st.sampled_from([Wild("*"), Wild("?")])),
    min_size=1,
    max_size=4,
)
NAMES = st.sampled_from(["name", "size", "other", "nothing"])


def values(parts):
    joined = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif not (part == Wild("*") and joined and joined[-1] == part):
            joined.append(part)
    return Value(tuple(joined))


LEAVES = st.one_of(
    st.builds(
        lambda name, parts: Match(name, tuple(map(values, parts))), NAMES, st.lists(PARTS, min_size=1, max_size=2)
    ),
    st.builds(lambda parts: Text(values(parts)), PARTS.filter(lambda parts: parts != [Wild("*")])),
    st.builds(Compare, NAMES, st.sampled_from(Sign), st.integers(-3, 13).map(float)),
    st.builds(Regex, NAMES, st.sampled_from(["a+b", "^b", "1$", "(a|b)*1", "[^a]{2}", r"\.", "^$"])),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda parts: And(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: Or(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(Not, inner),
    ),
    max_leaves=5,
)


def holds(expr, event):
    """The same, value by value."""
    match expr:
        case And(parts):
            return all(holds(part, event) for part in parts)
        case Or(parts):
            return any(holds(part, event) for part in parts)
        case Not(part):
            return not holds(part, event)
        case Text(value):
            return any(words(value, as_text(one).lower()) for one in event.values() if one is not None)
    own = [as_text(one).lower() for name, one in event.items() if one is not None and name.lower() == expr.field]
    match expr:
        case Match(_, wanted):
            return any(re.fullmatch(pattern(one), text, re.DOTALL) for text in own for one in wanted)
        case Regex(_, wanted):
            return any(re.search(wanted.replace("$", r"\Z"), text, re.DOTALL) for text in own)
    compare = {Sign.LESS: "__lt__", Sign.AT_MOST: "__le__", Sign.MORE: "__gt__", Sign.AT_LEAST: "__ge__"}[expr.sign]
    return any(getattr(float(text), compare)(expr.number) for text in own if number(text))


def number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def pattern(value):
    return "".join(
        {"*": ".*", "?": "."}[part.sign] if isinstance(part, Wild) else re.escape(part.lower()) for part in value.parts
    )


def words(value, text):
    edge = "[0-9a-z\u0080-\U0010ffff]"
    first, last = value.parts[0], value.parts[-1]
    before = f"(?<!{edge})" if isinstance(first, str) and re.match(edge, first.lower()) else ""
    after = f"(?!{edge})" if isinstance(last, str) and re.match(edge, last.lower()[-1]) else ""
    return re.search(before + pattern(value) + after, text, re.DOTALL) is not None


def batches_of(events, sizes):
    at, made = 0, []
    for number_, size in enumerate(sizes):
        part = events[at : at + size]
        if part:
            names = list(dict.fromkeys(name for fields, _ in part for name in fields))
            columns = {name: [fields.get(name) for fields, _ in part] for name in names}
            made.append(
                EventBatch(
                    TENANT,
                    BatchId(f"0197a000-0000-7000-8000-0000{number_:03x}00000"),
                    LogSource("linux", "", f"log-{number_ % 2}"),
                    "json",
                    NOW_NS,
                    list(range(len(part))),
                    [NOW_NS + second * NS_PER_S for _, second in part],
                    [b""] * len(part),
                    columns,
                )
            )
        at += size
    return made


def ask(batches, queries, *, write_after, after="", limit=1000):
    async def main(world):
        files = SegmentFiles(
            FolderBlobs(world.disk("disk"), "archive"),
            None,
            SimEntropy(world.rng),
            InlineOffload(),
            seals=False,
            cache_bytes=1000,
        )
        archive = Archive(files, world.store("disk"), world.clock)
        await archive.open()
        for number_, batch in enumerate(batches):
            archive.add([batch], read_to=(number_ + 1, 0))
            if number_ in write_after:
                await archive.write()
        searches = Searches(archive, world.clock, InlineOffload())
        return [await searches.search(TENANT, query, limit=limit, after=mark_of(after)) for query in queries]

    return SimWorld(3).run(main)


@settings(max_examples=120, deadline=None)
@given(
    EVENTS, st.lists(EXPRESSIONS, min_size=1, max_size=4), st.sets(st.integers(0, 3)), st.sampled_from((8, 16, 4096))
)
@pytest.mark.requirement("INT-1")
def test_a_question_finds_what_going_through_every_event_finds(events, expressions, write_after, small_bytes):
    """Whether the values of a column are few, and lie together with those of others, or have a filter of their own."""
    batches = batches_of(events, (3, 7, 5, 9))
    with pytest.MonkeyPatch.context() as patched:
        for module in (_directory, _segment):
            patched.setattr(module, "SMALL_VALUES_BYTES", small_bytes)
        # However little there is to read, it is looked first whether it can add anything.
        patched.setattr(_asking, "NARROW_FROM_BYTES", 1)
        answers = ask(batches, [Query(expr) for expr in expressions], write_after=write_after)
    everything = {event.id: event for batch in batches for event in batch}
    for expr, answer in zip(expressions, answers, strict=True):
        found = {batch.batch[:31] + f"{batch.rows[at]:05x}": (batch, at) for batch, at in answer.events}
        wanted = {ident for ident, event in everything.items() if holds(expr, event.fields())}
        assert set(found) == wanted, str(expr)
        assert answer.total == len(wanted)
        assert answer.complete
        for ident, (batch, at) in found.items():
            assert {name: column[at] for name, column in batch.columns.items() if column[at] is not None} == everything[
                ident
            ].fields()
        order = [batch.times_ns[at] for batch, at in answer.events]
        assert order == sorted(order, reverse=True)


@pytest.mark.requirement("INT-1")
def test_words_of_which_only_one_may_be_in_what_is_large_are_asked_together():
    """The choice of columns is narrowed for that one alone; of the other nothing is read to do it by."""
    events = [
        ({"name": f"alpha {number_} {'x' * number_}", "size": "alpha", "other": "beta"}, 0) for number_ in range(9)
    ]
    both = Or((Text(Value(("alpha",))), Text(Value(("beta",)))))
    with pytest.MonkeyPatch.context() as patched:
        for module in (_directory, _segment):
            patched.setattr(module, "SMALL_VALUES_BYTES", 16)
        patched.setattr(_asking, "NARROW_FROM_BYTES", 1)
        [answer] = ask(batches_of(events, (9,)), [Query(both)], write_after={0})
    assert answer.total == len(events)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.sets(st.integers(0, 3)), st.integers(1, 5))
def test_pages_join_to_the_whole_and_counts_add_up(events, write_after, limit):
    batches = batches_of(events, (3, 7, 5, 9))
    everything = Query(And(()))
    [whole] = ask(batches, [everything], write_after=write_after)
    pages, after = [], ""
    while True:
        [page] = ask(batches, [everything], write_after=write_after, after=after, limit=limit)
        pages += page.events
        if not page.after:
            break
        after = page.after
    shown = [[(batch.batch, batch.rows[at]) for batch, at in one] for one in (pages, whole.events)]
    assert shown[0] == shown[1]
    [counts] = ask(batches, [Query(And(()), CountBy(("other",), 1000))], write_after=write_after)
    expected = {}
    for fields, _ in events:
        key = (as_text(fields.get("other")),)
        expected[key] = expected.get(key, 0) + 1
    assert {group.values: group.events for group in counts.groups} == expected


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_a_question_is_written_as_it_is_read(expr):
    again = parse(str(Query(expr)), now_ns=NOW_NS)
    assert str(again) == str(parse(str(again), now_ns=NOW_NS))
    assert str(again) == str(Query(expr))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.text('ab:*"()|/\\ ANDORNOT<>=,', max_size=30))
def test_any_text_is_a_question_or_refused_with_a_column(text):
    try:
        parse(text, now_ns=NOW_NS)
    except InvalidQuery as error:
        column = error.column
    else:
        column = 1
    assert 1 <= column <= len(text) + 1
