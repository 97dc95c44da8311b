"""What nodes say to each other in gossip: one JSON message each way.

``notes`` are checkpoints that were seen, ``questions`` ask a log to prove that one of its sizes
is a prefix of another, ``proofs`` answer them, ``evidence`` passes on split views. Nothing in a
message is believed: notes and evidence count by their signatures, proofs by their hashes.
"""

from typing import Annotated

import msgspec

from phalanx.core import InvalidInput
from phalanx.ledger.witness._limits import (
    MAX_GOSSIP_BYTES,
    MAX_GOSSIP_EVIDENCE,
    MAX_GOSSIP_NOTES,
    MAX_GOSSIP_QUESTIONS,
    MAX_PROOF_LINES,
)
from phalanx.ledger.witness._split import SplitView

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}\\Z")]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Asks the log ``origin`` how its first ``old`` entries are a prefix of its first ``new``."""

    origin: str
    old: _Size
    new: _Size


class PrefixProof(msgspec.Struct, frozen=True, kw_only=True):
    """The log's answer: the root it has at ``old``, and the consistency proof from there to ``new``."""

    origin: str
    old: _Size
    new: _Size
    old_root: _Hex
    path: Annotated[tuple[_Hex, ...], msgspec.Meta(max_length=MAX_PROOF_LINES)] = ()


class GossipMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side of an exchange."""

    notes: Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_GOSSIP_NOTES)] = ()
    questions: Annotated[tuple[Question, ...], msgspec.Meta(max_length=MAX_GOSSIP_QUESTIONS)] = ()
    proofs: Annotated[tuple[PrefixProof, ...], msgspec.Meta(max_length=MAX_GOSSIP_QUESTIONS)] = ()
    evidence: Annotated[tuple[SplitView, ...], msgspec.Meta(max_length=MAX_GOSSIP_EVIDENCE)] = ()

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, body: bytes) -> "GossipMessage":
        """Raises ``InvalidInput``."""
        if len(body) > MAX_GOSSIP_BYTES:
            raise InvalidInput("gossip", f"it is longer than {MAX_GOSSIP_BYTES} bytes")
        try:
            return msgspec.json.decode(body, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInput("gossip", str(error)) from error
