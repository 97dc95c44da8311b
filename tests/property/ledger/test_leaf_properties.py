import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import AuditEntry, TenantId, TraceId, WireError
from phalanx.ledger import decode_leaf, encode_leaf

text = st.text(max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)
entries = st.builds(
    AuditEntry,
    id=text,
    tenant=text.map(TenantId),
    trace=text.map(TraceId),
    at_ns=st.integers(0, 2**62),
    actor=text,
    action=text,
    subject=text,
    case=text,
    body=st.dictionaries(text, json_values, max_size=4),
)


@given(entries)
def test_an_entry_comes_back(entry):
    assert decode_leaf(encode_leaf(entry)) == entry


@given(entries)
def test_a_leaf_is_sorted_compact_json(entry):
    leaf = encode_leaf(entry)
    read = json.loads(leaf)
    assert sorted(read) == list(read)
    assert read["kind"] == "ledger-entry"
    assert read["v"] == 1
    assert b"\n" not in leaf


@given(st.dictionaries(text, json_values, min_size=2, max_size=6))
def test_the_order_of_a_map_does_not_matter(body):
    def leaf(items):
        return encode_leaf(AuditEntry("i", TenantId("t"), TraceId(""), 0, "a", "b", "c", "d", dict(items)))

    assert leaf(body.items()) == leaf(reversed(body.items()))


@given(st.binary(max_size=200))
def test_whatever_is_read_back_is_an_entry_or_an_error(data):
    with pytest.raises(WireError):
        decode_leaf(data)
