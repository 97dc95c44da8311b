"""Cosignatures against the C2SP specifications tlog-cosignature and signed-note, written out independently."""

import base64
import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from phalanx.core import InvalidInput
from phalanx.ledger import InvalidCheckpoint
from phalanx.ledger._note import Note, parse_note
from phalanx.ledger.witness import Cosigner, Head, NoteKey, TrustedLog, WitnessKeys

pytestmark = pytest.mark.requirement("IRS-4")

AT_S = 1_767_225_700


@pytest.fixture
def signed(on_world, new_log):
    async def main(world):
        log = new_log(world, 5)
        return log, await log.checkpoint()

    return on_world(main)


def test_others_can_verify_both_cosignatures_from_the_specification_alone(signed, keys):
    log, checkpoint = signed
    cosigner = Cosigner(keys[1])
    note = parse_note(checkpoint.note)
    lines = cosigner.cosign(Head.of(note), AT_S)
    assert [line.name for line in lines] == [cosigner.name] * 2
    classical, post_quantum = keys[1].public.classical.raw, keys[1].public.post_quantum.raw

    assert lines[0].key_id == hashlib.sha256(cosigner.name.encode() + b"\n\x04" + classical).digest()[:4]
    assert struct.unpack(">Q", lines[0].signature[:8]) == (AT_S,)
    message = b"cosignature/v1\ntime %d\n%s" % (AT_S, note.text.encode())
    Ed25519PublicKey.from_public_bytes(classical).verify(lines[0].signature[8:], message)

    assert lines[1].key_id == hashlib.sha256(cosigner.name.encode() + b"\n\x06" + post_quantum).digest()[:4]
    name, origin = cosigner.name.encode(), log.origin.encode()
    message = (
        b"subtree/v1\n\0" + bytes([len(name)]) + name + lines[1].signature[:8]
        + bytes([len(origin)]) + origin + struct.pack(">QQ", 0, 5) + bytes.fromhex(checkpoint.root)
    )  # fmt: skip
    MLDSA44PublicKey.from_public_bytes(post_quantum).verify(lines[1].signature[8:], message)


def test_the_verifier_key_of_go_is_read_and_written():
    """The example of golang.org/x/mod/sumdb/note, of the type that logs sign notes with."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = NoteKey.from_text(text)
    assert (key.name, key.signature_type, str(key)) == ("PeterNeumann", 1, text)


def test_keys_come_back_from_their_text(keys, signed):
    cosigner = Cosigner(keys[1])
    assert WitnessKeys.from_texts([str(key) for key in cosigner.keys.keys]) == cosigner.keys
    log = TrustedLog.of(signed[0].origin, keys[0].public)
    assert TrustedLog.from_texts([str(key) for key in log.keys]) == log


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "none that is known"),
        ("name", "none that is known"),
        ("name+00000000+AQ==", "0 bytes"),
        ("name+00000000+!", "base64"),
        ("name+00000000+CVpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "0x09"),
        ("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "with the id of"),
        ("Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "with the id of"),
    ],
)
def test_what_is_no_verifier_key_is_refused(text, reason):
    with pytest.raises(InvalidInput, match=reason):
        NoteKey.from_text(text)


def test_keys_of_the_wrong_kind_or_of_two_names_are_refused(keys, signed):
    witness = [str(key) for key in Cosigner(keys[1]).keys.keys]
    other = [str(key) for key in Cosigner(keys[2]).keys.keys]
    log = [str(key) for key in TrustedLog.of(signed[0].origin, keys[0].public).keys]
    for texts, reason in (
        ([], "there is none"),
        ([witness[0], other[1]], "different names"),
        ([witness[0], witness[0]], "two of one type"),
        (log, "0x01, not"),
    ):
        with pytest.raises(InvalidInput, match=reason):
            WitnessKeys.from_texts(texts)
    with pytest.raises(InvalidInput, match="0x04, not"):
        TrustedLog.from_texts(witness)


def test_a_witness_counts_only_when_all_its_keys_signed(keys, signed):
    note = parse_note(signed[1].note)
    head, cosigner = Head.of(note), Cosigner(keys[1])
    classical, post_quantum = cosigner.cosign(head, AT_S)
    assert cosigner.keys.verify(Note(note.text, (classical, post_quantum)), head) == AT_S
    with pytest.raises(InvalidCheckpoint, match=r"ML-DSA-44 signature of .* is missing"):
        cosigner.keys.verify(Note(note.text, (classical,)), head)
    later = cosigner.cosign(head, AT_S + 1)
    moved = type(classical)(classical.name, classical.key_id, later[0].signature[:8] + classical.signature[8:])
    with pytest.raises(InvalidCheckpoint, match="Ed25519 signature does not belong"):
        cosigner.keys.verify(Note(note.text, (moved, post_quantum)), head)
    short = type(classical)(classical.name, classical.key_id, classical.signature[:8])
    with pytest.raises(InvalidCheckpoint, match="too short"):
        cosigner.keys.verify(Note(note.text, (short, post_quantum)), head)


def test_a_log_is_read_only_under_its_own_name_and_all_its_keys(keys, signed, on_world, new_log):
    log, checkpoint = signed
    trusted = TrustedLog.of(log.origin, log.public_key)
    assert trusted.read(checkpoint.note).size == 5
    with pytest.raises(InvalidCheckpoint, match="is of the log"):
        TrustedLog.of("another", log.public_key).read(checkpoint.note)
    with pytest.raises(InvalidCheckpoint, match="is missing"):
        TrustedLog.of(log.origin, keys[2].public).read(checkpoint.note)
    cosigned = checkpoint.note + Cosigner(keys[1]).cosign(Head.of(parse_note(checkpoint.note)), AT_S)[0].line()
    assert trusted.own_lines(cosigned) == checkpoint.note
    assert base64.b64encode(bytes.fromhex(checkpoint.root)).decode() in checkpoint.note
