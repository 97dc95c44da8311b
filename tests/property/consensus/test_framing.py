"""An honest participant can never be framed: whatever it ever signed, no two of its words convict it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.consensus import (
    EQUIVOCATION,
    FALSE_CLAIM,
    IMPOSSIBLE_CLAIM,
    INVALID_JUSTIFICATION,
    Evidence,
    EvidenceRefused,
    Proposal,
    Timeout,
    Vote,
    convict,
    decode_message,
    encode_message,
)
from phalanx.core import WireError
from phalanx.testing.consensus import draw
from phalanx.testing.consensus._coven import Coven
from phalanx.testing.consensus._field import Field

KINDS = (EQUIVOCATION, FALSE_CLAIM, IMPOSSIBLE_CLAIM, INVALID_JUSTIFICATION)


class Ears:
    """Hears every word of honest participants."""

    def __init__(self):
        self.words = {}

    def said(self, place, message, copies):
        if isinstance(message, Vote | Timeout | Proposal):
            words = self.words.setdefault(place, [])
            if message not in words:
                words.append(message)

    def heard(self, place, proposal):
        pass

    def did(self, place, effect):
        pass


@pytest.mark.requirement("CON-4")
@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_no_words_of_an_honest_participant_convict_it(seed):
    field = Field(draw(seed, 4))
    field.watcher, field.actor = ears, _ = Ears(), Coven(field)
    field.play()
    assert ears.words
    for place, words in ears.words.items():
        for said in itertools.chain(((one,) for one in words), itertools.permutations(words[:12], 2)):
            for kind in KINDS:
                with pytest.raises(EvidenceRefused):
                    convict(field.checks, Evidence(place, kind, tuple(said)))


@given(data=st.binary(max_size=200))
def test_bytes_from_outside_are_a_message_or_a_wire_error(data):
    try:
        message = decode_message(data)
    except WireError:
        return
    assert decode_message(encode_message(message)) == message
