"""Looking for words in many lines at once finds what looking at each line would."""

from hypothesis import given
from hypothesis import strategies as st

from phalanx.intel._hunting import lines_with

LETTERS = st.sampled_from([b"a", b"B", b"b", b"A", b"c", b" ", b"\r", b"\xc3\xa4", b"ab"])
LINES = st.lists(st.lists(LETTERS, min_size=1, max_size=8).map(b"".join), max_size=12)
WORDS = st.lists(st.lists(LETTERS, min_size=1, max_size=3).map(b"".join), max_size=3)


@given(st.dictionaries(st.sampled_from(["one", "two", "three"]), WORDS), LINES)
def test_lines_with_words_are_those_that_have_them(needles, lines):
    needles = {name: [word.lower() for word in words] for name, words in needles.items()}
    expected = {}
    for row, line in enumerate(lines):
        links = [name for name, words in needles.items() if any(word in line.lower() for word in words)]
        if links:
            expected[row] = links
    assert lines_with(needles, lines) == expected
