"""Listing intervals against the definition, over strings chosen to be awkward."""

from hypothesis import given
from hypothesis import strategies as st

from phalanx.adapters.storage._row_keys import interval

_awkward = st.text(st.sampled_from("\x00aAb%é\ud7ff\ue000\uffff😀\U0010ffff"), max_size=4)
_text = _awkward | st.text(max_size=4)


@given(st.lists(_text, max_size=20), _text, _text, st.booleans())
def test_interval_holds_exactly_what_is_listed(keys, prefix, after, reverse):
    low, high = interval(prefix, after, reverse=reverse)
    found = [key for key in keys if low.encode() <= key.encode() and (high is None or key.encode() < high.encode())]
    past = [key for key in keys if not after or (key < after if reverse else key > after)]
    assert found == [key for key in past if key.startswith(prefix)]


@given(_text, st.text(max_size=3))
def test_interval_holds_every_key_that_begins_with_the_prefix(prefix, rest):
    low, high = interval(prefix, "", reverse=False)
    assert low <= prefix + rest
    assert high is None or prefix + rest < high
