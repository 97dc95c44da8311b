"""The bytes of a proposal, as they were first written: decisions are bound to their hash.

After a change that is meant, run with ``PHALANX_TEST_UPDATE_GOLDEN=1`` and look at the difference.
"""

import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from phalanx.core import Entity, TenantId, TraceId, decode, decode_json, encode, encode_json
from phalanx.incidents import ActionProposal
from phalanx.incidents._proposing import digest

FILES = Path(__file__).parent / "files"
PROPOSAL = ActionProposal(
    id="019b76da-a87b-7076-aacb-453d5e8a11ce",
    tenant=TenantId("acme"),
    trace=TraceId("019b76da-a87b-7076-aacb-453d5e800003"),
    at_ns=1_767_225_600_123_456_789,
    case="ws-1@2026-01-01",
    action="isolate-host",
    target=Entity("host", "ws-1"),
    reason="compromised with probability 0.82 [0.64, 0.93]",
    assessment="019b76da-a87b-7076-aacb-453d5e8f1d10",
    probability=0.8203125,
    blast_radius=1,
)


@pytest.mark.parametrize(("form", "write", "read"), [("msgpack", encode, decode), ("json", encode_json, decode_json)])
def test_a_proposal_is_written_and_read_as_it_always_was(form, write, read):
    file = FILES / f"action-proposal.{form}"
    if os.environ.get("PHALANX_TEST_UPDATE_GOLDEN") == "1":
        file.write_bytes(write(PROPOSAL))
    assert write(PROPOSAL) == file.read_bytes()
    assert read(file.read_bytes(), ActionProposal) == PROPOSAL


def test_decisions_of_before_evidence_was_dated_are_still_bound_to_their_proposals():
    # What a version without the field wrote of the same proposal, and what a decision of then says of it.
    stored = (FILES / "action-proposal-1.msgpack").read_bytes()
    assert hashlib.sha256(stored).hexdigest().startswith("cdeb789111906118")
    assert digest(decode(stored, ActionProposal)) == hashlib.sha256(stored).hexdigest()
    dated = msgspec.structs.replace(PROPOSAL, evidence_at_ns=1)
    first = msgspec.structs.replace(dated, v=1)
    assert digest(dated) == hashlib.sha256(encode(first)).hexdigest() != digest(PROPOSAL)


@pytest.mark.parametrize(("form", "read"), [("msgpack", decode), ("json", decode_json)])
def test_a_proposal_of_the_first_version_is_still_read(form, read):
    assert read((FILES / f"action-proposal-1.{form}").read_bytes(), ActionProposal) == PROPOSAL
