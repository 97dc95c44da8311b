import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import AuditEntry, TenantId, TraceId, WireError
from phalanx.ledger import Disclosure, InvalidProof, commit, decode_leaf, encode_leaf, encode_payload
from phalanx.ledger._payload import decode_payload
from phalanx.ledger._record import pack_record, split_record

text = st.text(max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)
bodies = st.dictionaries(text, json_values, max_size=4)
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
    custody=st.lists(text, max_size=4).map(tuple),
)
commitments = st.binary(min_size=32, max_size=32)


@given(entries, commitments)
def test_an_entry_comes_back(entry, commitment):
    said = decode_leaf(encode_leaf(entry, commitment))
    assert said.entry == entry
    assert said.commitment == commitment.hex()


@given(bodies)
def test_a_body_comes_back(body):
    assert decode_payload(encode_payload(body)) == body


@given(entries, commitments)
def test_a_leaf_is_sorted_compact_json(entry, commitment):
    leaf = encode_leaf(entry, commitment)
    read = json.loads(leaf)
    assert sorted(read) == list(read)
    assert read["kind"] == "ledger-entry"
    assert read["v"] == 2
    assert b"\n" not in leaf


@given(st.dictionaries(text, json_values, min_size=2, max_size=6))
def test_the_order_of_a_map_does_not_matter(body):
    assert encode_payload(dict(body.items())) == encode_payload(dict(reversed(body.items())))


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=2, max_size=60), st.data())
def test_a_commitment_binds_salt_and_payload(salt, payload, data):
    commitment = commit(salt, payload).hex()
    Disclosure(salt, payload).check(commitment)
    whole = salt + payload
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    for salt_, payload_ in ((changed[:32], changed[32:]), (whole[:31], whole[31:]), (whole[:33], whole[33:])):
        with pytest.raises(InvalidProof):
            Disclosure(salt_, payload_).check(commitment)


@given(entries, commitments, st.binary(min_size=1, max_size=100))
def test_a_record_comes_apart_as_it_was_put_together(entry, commitment, sealed):
    leaf = encode_leaf(entry, commitment)
    record = pack_record(leaf, sealed)
    assert split_record(record) == (leaf, sealed)
    for cut in range(len(record) - len(sealed) + 1):
        with pytest.raises(WireError):
            split_record(record[:cut])


@given(st.binary(max_size=200))
def test_whatever_is_read_back_is_an_entry_or_an_error(data):
    with pytest.raises(WireError):
        decode_leaf(data)
    try:
        leaf, sealed = split_record(data)
    except WireError:
        return
    assert data.endswith(leaf if sealed is None else leaf + sealed)
