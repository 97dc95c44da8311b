"""Columns as one text, as text row by row, and what a regular expression cannot do without."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, LogSource
from phalanx.intel._limits import MAX_JOINED_VALUES
from phalanx.intel.sigma import View, as_text
from phalanx.intel.sigma._regexes import needed_literals, required_literals
from phalanx.intel.sigma._texts import Texts

LETTERS = st.text(st.sampled_from("abAB.-Kſİσςß😀\n "), max_size=5)
VALUES = st.one_of(LETTERS, st.integers(-3, 12), st.floats(allow_nan=False), st.booleans(), st.none())
COLUMNS = st.integers(1, 4).flatmap(
    lambda rows: st.lists(st.lists(VALUES, min_size=rows, max_size=rows), min_size=1, max_size=4)
)
PATTERNS = [
    r"\w+`(?:\w+|-|.)`[\w+|\s]",
    r'"(?:\{\d\})+"\s*-f',
    r"(?i)\$\{`?e`?n`?v`?:`?p`?a`?t`?h`?\}",
    r'(?i)(set).*&&\s?set.*(environment|invoke|\$?\{?input).*&&.*"',
    r"(?i)[a-c]k\.(s|i)(?:x&){2,3}?",
    r"a(b|c)d*(?i:ef)g+(?=h)h",
    r"(?s)\A.*one.*two\Z",
    r"(?x) a b # not this",
    r"ab{0,2}c(?!d)[^e]~{2}",
    r"straße|ſtop",
    r"^$",
]


def batch_of(columns):
    n = len(columns[0])
    named = {f"f{number}": column for number, column in enumerate(columns)}
    source = LogSource("p")
    return EventBatch(DEFAULT_TENANT, BatchId("b"), source, "r", 1, range(n), [1] * n, [b""] * n, named)


@given(COLUMNS)
def test_what_is_found_in_one_text_of_columns_is_of_the_row_that_has_it(columns):
    there = [(row, as_text(value)) for column in columns for row, value in enumerate(column) if value is not None]
    texts = Texts(columns)
    assert list(texts.rows()) == [row for row, _ in there]
    assert texts.lowered() == [text.lower() for _, text in there]
    ascii_only = all(text.isascii() for _, text in there)
    end = 0
    for row, text in there:
        mine = (text if ascii_only else text.lower()).encode("utf-8", "surrogatepass")
        assert texts.data[end : end + len(mine) + 2] == b"\n" + mine + b"\n"
        end += 1 + len(mine)
        if mine:
            assert texts.rows_at([end]) == [row]


@given(COLUMNS, st.data(), st.booleans())
def test_text_by_row_is_the_same_however_many_rows_are_asked_about(columns, data, cased):
    view = View(batch_of(columns))
    for field, column in view.batch.columns.items():
        for rows in data.draw(st.lists(st.lists(st.integers(0, len(column) - 1), unique=True), min_size=1)):
            made = view.text(field, rows, cased=cased)
            wanted = [as_text(column[row]) if cased else as_text(column[row]).lower() for row in rows]
            assert [made[row] for row in rows] == wanted
    assert view.text("elsewhere", [0], cased=cased) is None


@given(COLUMNS)
def test_everything_holds_every_value_and_words_every_column_with_text(columns):
    view = View(batch_of(columns))
    everything = sorted(text for texts in view.everything(words_only=False) for text in texts.lowered())
    assert everything == sorted(as_text(v).lower() for column in columns for v in column if v is not None)
    words = {text for texts in view.everything(words_only=True) for text in texts.lowered()}
    assert words >= {value.lower() for column in columns for value in column if isinstance(value, str)}


def test_columns_without_text_are_not_looked_through_for_words_and_long_ones_are_apart():
    n = MAX_JOINED_VALUES
    view = View(batch_of([list(range(n)), ["a"] * n, [None, True] * (n // 2), ["b"] * n]))
    assert [len(texts.lowered()) for texts in view.everything(words_only=True)] == [n, n]
    assert view.everything(words_only=True)[0] is view.texts("f1")
    short = View(batch_of([["a"], [1], ["b"]]))
    assert [texts.lowered() for texts in short.everything(words_only=True)] == [["a", "b"]]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(data=st.data())
def test_what_a_regular_expression_needs_is_in_whatever_it_is_found_in(pattern, data):
    compiled = re.compile(pattern)
    text = data.draw(st.from_regex(compiled) | LETTERS)
    if compiled.search(text):
        assert all(needed in text for needed in needed_literals(compiled))
        required = required_literals(compiled)
        assert not required or any(one in text.lower() for one in required)


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        (PATTERNS[0], ("`",)),
        (PATTERNS[1], ("-f", "{", "}", '"')),
        (PATTERNS[3], ("&&", '"')),
        (PATTERNS[6], ("one", "two")),
        ("(?i)abc", ()),
        ("a|b", ()),
    ],
)
def test_what_a_regular_expression_needs(pattern, needed):
    assert needed_literals(re.compile(pattern)) == needed


def test_without_the_parser_nothing_is_known_of_an_expression(monkeypatch):
    monkeypatch.setattr("phalanx.intel.sigma._regexes.sre_parser", None)
    assert needed_literals(re.compile("a.*bcd")) == required_literals(re.compile("a.*bcd")) == ()
