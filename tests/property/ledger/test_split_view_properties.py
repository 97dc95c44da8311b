"""Over all sizes: one history is never called two, and two are never taken for one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.crypto import HybridSigner
from phalanx.ledger import (
    HashTree,
    InvalidCheckpoint,
    InvalidProof,
    consistency_proof,
    leaf_hash,
    root,
    sign_checkpoint,
)
from phalanx.ledger.witness import AddCheckpoint, SplitView, TrustedLog, WitnessRefused, judge, split_view

pytestmark = pytest.mark.requirement("IRS-4")

MAX_LEAVES = 40
SIGNER = HybridSigner.generate()
ORIGIN = "phalanx-ledger/0000000000000000"
LOG = TrustedLog.of(ORIGIN, SIGNER.public)
TRUTH = HashTree(leaf_hash(b"%d" % n) for n in range(MAX_LEAVES))
sizes = st.integers(0, MAX_LEAVES)
_notes = {}


def note_of(size, head):
    """Signing is slow; each head is signed once."""
    if (size, head) not in _notes:
        _notes[size, head] = sign_checkpoint(SIGNER, ORIGIN, size, head, 1).note
    return _notes[size, head]


def forked(at, size):
    """A history that is the true one up to ``at`` leaves and another from there."""
    return HashTree(leaf_hash(b"%d" % n if n < at else b"lie %d" % n) for n in range(size))


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(0, MAX_LEAVES - 1))
def test_two_checkpoints_are_a_split_view_exactly_when_they_are_of_two_histories(one, other, at):
    lie = forked(at, MAX_LEAVES)
    old, new = sorted((one, other))
    prefix, path = root(lie, old), tuple(consistency_proof(lie, old, new))
    notes = note_of(old, root(TRUTH, old)), note_of(new, root(lie, new))
    if old > at and new > at:
        first, second = split_view(LOG, *notes, prefix, path).verify(LOG)
        assert (first.size, second.size) == (old, new)
        assert split_view(LOG, *reversed(notes), prefix, path) == split_view(LOG, *notes, prefix, path)
    else:
        with pytest.raises(InvalidProof):
            split_view(LOG, *notes, prefix, path)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, MAX_LEAVES), st.integers(1, MAX_LEAVES), st.data())
def test_no_proof_makes_two_histories_of_one(one, other, data):
    old, new = sorted((one, other))
    made_up = st.binary(min_size=32, max_size=32)
    prefix = data.draw(made_up)
    path = data.draw(st.lists(made_up, max_size=6) | st.just(consistency_proof(TRUTH, old, new)))
    evidence = SplitView(
        origin=ORIGIN,
        keys=tuple(map(str, LOG.keys)),
        first=note_of(old, root(TRUTH, old)),
        second=note_of(new, root(TRUTH, new)),
        prefix_root=prefix.hex(),
        path=tuple(step.hex() for step in path),
    )
    with pytest.raises((InvalidProof, InvalidCheckpoint)):
        evidence.verify(LOG)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(sizes, st.booleans()), min_size=1, max_size=6), st.integers(0, MAX_LEAVES - 1))
def test_a_witness_cosigns_one_history_whatever_it_is_asked(requests, at):
    """The requester is as helpful as can be: it always starts where the witness is, with the right proof."""
    lie = forked(at, MAX_LEAVES)
    last, cosigned = None, []
    for size, lying in requests:
        tree = lie if lying else TRUTH
        old = last.size if last else 0
        path = consistency_proof(tree, old, size) if old <= size else []
        try:
            last = judge(LOG, AddCheckpoint(old, tuple(path), note_of(size, root(tree, size))), last)
        except WitnessRefused:
            continue
        cosigned.append(last)
    assert [head.size for head in cosigned] == sorted(head.size for head in cosigned)
    histories = [all(head.root == root(tree, head.size) for head in cosigned) for tree in (TRUTH, lie)]
    assert any(histories)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_refused(body):
    try:
        request = AddCheckpoint.from_bytes(body)
    except WitnessRefused:
        return
    assert AddCheckpoint.from_bytes(request.to_bytes()) == request
