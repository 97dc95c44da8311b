import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phalanx.crypto import HybridSigner
from phalanx.ledger import InvalidCheckpoint, verify_checkpoint
from phalanx.ledger._checkpoint import sign_checkpoint

SIGNER = HybridSigner.generate()
CHECKPOINT = sign_checkpoint(SIGNER, "phalanx-ledger/0123", 42, bytes(range(32)), 1_767_225_600)
NOTE = CHECKPOINT.note
printable = st.characters(min_codepoint=32, max_codepoint=0x2FFF)


@given(st.integers(0, len(NOTE) - 1), printable | st.just("\n"))
def test_no_character_of_a_checkpoint_may_change(at, character):
    assume(NOTE[at] != character)
    with pytest.raises(InvalidCheckpoint):
        verify_checkpoint(NOTE[:at] + character + NOTE[at + 1 :], SIGNER.public)


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 50))
def test_no_part_of_a_checkpoint_may_be_missing(at, n):
    with pytest.raises(InvalidCheckpoint):
        verify_checkpoint(NOTE[:at] + NOTE[at + n :], SIGNER.public)


@given(st.text())
def test_whatever_comes_in_is_refused_by_name(text):
    with pytest.raises(InvalidCheckpoint):
        verify_checkpoint(text, SIGNER.public)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 2**62))
def test_any_head_can_be_signed_and_read_back(size, root, signed_at_s):
    made = sign_checkpoint(SIGNER, "log", size, root, signed_at_s)
    assert verify_checkpoint(made.note, SIGNER.public) == made
    assert (made.size, made.root, made.signed_at_s) == (size, root.hex(), signed_at_s)
