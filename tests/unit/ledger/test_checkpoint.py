"""Checkpoints against the C2SP specifications signed-note, tlog-checkpoint and tlog-cosignature."""

import base64
import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from phalanx.crypto import ED25519, HybridSigner, VerifyingKey
from phalanx.ledger import InvalidCheckpoint, verify_checkpoint
from phalanx.ledger._checkpoint import sign_checkpoint
from phalanx.ledger._note import key_id, parse_note

ROOT = hashlib.sha256(b"root").digest()
ORIGIN = "phalanx-ledger/0123456789abcdef"


@pytest.fixture(scope="module")
def checkpoint(signer):
    return sign_checkpoint(signer, ORIGIN, 42, ROOT, 1_767_225_600)


def test_the_note_of_go_reads_and_verifies():
    """The example of golang.org/x/mod/sumdb/note, whose format signed-note is."""
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
        "\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    verifier = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    parsed = parse_note(note)
    assert str(parsed) == note
    found = key_id("PeterNeumann", verifier[0], verifier[1:])
    assert found.hex() == "c74f20a3"
    signature = parsed.signature_of("PeterNeumann", found)
    VerifyingKey(ED25519, verifier[1:]).verify(parsed.text.encode(), signature)
    assert parsed.signature_of("Neumann", found) is None


def test_others_can_verify_both_signatures_from_the_specifications_alone(checkpoint, signer):
    text, _, lines = checkpoint.note.rpartition("\n\n")
    text += "\n"
    assert text == f"{ORIGIN}\n42\n{base64.b64encode(ROOT).decode()}\n"
    plain, cosignature = (base64.b64decode(line.split(" ")[2]) for line in lines.splitlines())
    assert all(line.startswith(f"— {ORIGIN} ") for line in lines.splitlines())

    classical, post_quantum = signer.public.classical.raw, signer.public.post_quantum.raw
    assert plain[:4] == hashlib.sha256(ORIGIN.encode() + b"\n\x01" + classical).digest()[:4]
    Ed25519PublicKey.from_public_bytes(classical).verify(plain[4:], text.encode())

    assert cosignature[:4] == hashlib.sha256(ORIGIN.encode() + b"\n\x06" + post_quantum).digest()[:4]
    signed_at_s = struct.unpack(">Q", cosignature[4:12])[0]
    assert signed_at_s == checkpoint.signed_at_s == 1_767_225_600
    name = bytes([len(ORIGIN)]) + ORIGIN.encode()
    message = b"subtree/v1\n\0" + name + cosignature[4:12] + name + struct.pack(">QQ", 0, 42) + ROOT
    MLDSA44PublicKey.from_public_bytes(post_quantum).verify(cosignature[12:], message)


def test_a_checkpoint_says_what_was_signed(checkpoint, signer):
    assert verify_checkpoint(checkpoint.note, signer.public) == checkpoint
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 42, ROOT.hex())


def test_the_lines_of_witnesses_are_left_alone(checkpoint, signer):
    witness = base64.b64encode(b"\x01\x02\x03\x04" + bytes(72)).decode()
    note = checkpoint.note + f"— witness.example/w1 {witness}\n"
    assert verify_checkpoint(note, signer.public).size == 42


def test_one_of_our_signatures_is_not_enough(checkpoint, signer):
    text, _, lines = checkpoint.note.rpartition("\n\n")
    classical, post_quantum = lines.splitlines()
    for kept, missing in ((classical, "ML-DSA-44"), (post_quantum, "Ed25519")):
        with pytest.raises(InvalidCheckpoint, match=f"the {missing} signature of the expected key is missing"):
            verify_checkpoint(f"{text}\n\n{kept}\n", signer.public)
    with pytest.raises(InvalidCheckpoint, match="expected key is missing"):
        verify_checkpoint(checkpoint.note, HybridSigner.generate().public)


def test_a_good_signature_over_another_head_does_not_help(checkpoint, signer):
    other = sign_checkpoint(signer, ORIGIN, 43, ROOT, 1_767_225_600)
    text, lines = checkpoint.note.rpartition("\n\n")[0], other.note.rpartition("\n\n")[2]
    with pytest.raises(InvalidCheckpoint, match="Ed25519 signature does not belong"):
        verify_checkpoint(f"{text}\n\n{lines}", signer.public)
    mixed = checkpoint.note.splitlines()[-2] + "\n" + other.note.splitlines()[-1] + "\n"
    with pytest.raises(InvalidCheckpoint, match="ML-DSA-44 signature does not belong"):
        verify_checkpoint(f"{text}\n\n{mixed}", signer.public)


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ("", "not a text"),
        ("text\n", "not a text"),
        ("a\n1\nb\n\nno signature", "not a text"),
        ("a\n1\nb\n\nno signature\n", "cannot be read"),
        ("a\n1\nb\n\n— name !!!!\n", "base64"),
        ("a\n1\nb\n\n— name AAAAAB==\n", "not canonical"),
        ("a\n1\nb\n\n— name AAAA\n", "cannot be read"),
        ("a\n1\nb\n\n— na+me AAAAAAAA\n", "cannot be read"),
        ("a\n1\nb\r\n\n— name AAAAAAAA\n", "control characters"),
        ("a\n1\nb\n\n" + "— name AAAAAAAA\n" * 17, "more than 16"),
        ("a" * 70_000, "longer than"),
        ("\ud800\n\n— name AAAAAAAA\n", "not text"),
        ("a\n1\n\n— name AAAAAAAA\n", "three lines"),
        ("a\n1\nb\nmore\n\n— name AAAAAAAA\n", "three lines"),
        ("a b\n1\nAAAA\n\n— name AAAAAAAA\n", "origin"),
        ("\n1\nAAAA\n\n— name AAAAAAAA\n", "origin"),
        ("a\n01\nAAAA\n\n— name AAAAAAAA\n", "size"),
        ("a\n-1\nAAAA\n\n— name AAAAAAAA\n", "size"),
        ("a\n١\nAAAA\n\n— name AAAAAAAA\n", "size"),
        ("a\n1\nAAAA\n\n— name AAAAAAAA\n", "root has 3 bytes"),
    ],
)
def test_what_is_no_checkpoint_is_refused_with_the_reason(signer, note, reason):
    with pytest.raises(InvalidCheckpoint, match=reason):
        verify_checkpoint(note, signer.public)
