"""What node and worker say is for the two alone, and an answer is for its question."""

import pytest

from phalanx.core import InvalidInput, Rng
from phalanx.crypto import NONCE_BYTES, NotAuthentic
from phalanx.testing import SimEntropy
from phalanx.workflows.workers import Ask, Done, Refused, WorkerSeals


def pair(name="w", secret=b"s" * 32):
    entropy = SimEntropy(Rng(1))
    return WorkerSeals(name, secret, entropy, node=True), WorkerSeals(name, secret, entropy, node=False)


def test_there_and_back():
    node, worker = pair()
    ask = Ask("p", 1, 2)
    assert node.open(worker.seal(ask, about=b"ask"), about=b"ask") == ask
    assert worker.open(node.seal(Refused(), about=b"a"), about=b"a") == Refused()


@pytest.mark.requirement("HWF-3")
def test_nobody_else_and_nothing_else_opens_it():
    node, worker = pair()
    sealed = worker.seal(Done("p", 1, 2, b"v"), about=b"done")
    with pytest.raises(NotAuthentic):
        node.open(sealed, about=b"ask")
    with pytest.raises(NotAuthentic):
        worker.open(sealed, about=b"done")  # sent back to its sender
    for name, secret in (("w2", b"s" * 32), ("w", b"t" * 32)):
        with pytest.raises(NotAuthentic):
            pair(name, secret)[0].open(sealed, about=b"done")
    with pytest.raises(NotAuthentic):
        node.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), about=b"done")


def test_what_is_no_word_is_refused():
    node, worker = pair()
    nonce = b"n" * NONCE_BYTES
    with pytest.raises(InvalidInput):
        node.open(nonce + worker._out.seal(nonce, b"\x01", b"x"), about=b"x")
