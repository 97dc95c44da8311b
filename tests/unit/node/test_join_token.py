"""The text that lets a node join another, and the proof made from it."""

import pytest

from phalanx.core import InvalidInput
from phalanx.node.cluster._join_token import Enrolment, JoinToken

TOKEN = JoinToken(
    name="lab", host="hq.acme", urls=("tls://hq:4222",), ca="PEM", seed="SU", root="chain", secret=b"s" * 32,
    expires_ns=7,
)  # fmt: skip


def test_a_token_is_read_as_it_was_written():
    assert JoinToken.from_text(f" {TOKEN.to_text()}\n") == TOKEN


def test_the_secret_is_not_shown():
    assert "ssss" not in repr(TOKEN)


@pytest.mark.parametrize("text", ["", "nonsense", "phalanx-join-1.", TOKEN.to_text()[:-9], TOKEN.to_text() + "ä"])
def test_what_is_no_token(text):
    with pytest.raises(InvalidInput) as caught:
        JoinToken.from_text(text)
    assert caught.value.field == "cluster.token"


def test_a_claim_holds_for_one_process_one_root_and_one_secret():
    claim = TOKEN.enrolment("lab.other", b"root")
    assert claim.holds(TOKEN.secret, "lab.other")
    assert not claim.holds(b"t" * 32, "lab.other")
    assert not claim.holds(TOKEN.secret, "lab.evil")
    for changed in (Enrolment("hq", claim.root, claim.mac), Enrolment(claim.name, b"toor", claim.mac)):
        assert not changed.holds(TOKEN.secret, "lab.other")
