"""Each link, broken on purpose: by whoever holds the file, and by whoever also redoes what follows from it."""

import base64
import json

import pytest

from phalanx.crypto import HybridSigner
from phalanx.ledger import leaf_hash, sign_checkpoint
from phalanx.ledger.evidence import BrokenLink, Link, canonical, verify_bundle
from phalanx.ledger.witness import Cosigner, TrustedLog

pytestmark = pytest.mark.requirement("IRS-4")


def changed(bundle, change):
    document = json.loads(bundle)
    change(document)
    return canonical(document)


def edit(*path, to):
    """Sets what stands at ``path``; ``to`` may be a function of what was there."""

    def change(document):
        *way, last = path
        for step in way:
            document = document[step]
        document[last] = to(document[last]) if callable(to) else to

    return change


def flip(text):
    return text[:-2] + ("0" if text[-2] != "0" else "1") + text[-1]


def spoil_line(number):
    """Changes the last signature byte of one line of a note."""

    def change(note):
        lines = note.split("\n")
        name, encoded = lines[number].rsplit(" ", 1)
        raw = bytearray(base64.b64decode(encoded))
        raw[-1] ^= 1
        lines[number] = f"{name} {base64.b64encode(raw).decode()}"
        return "\n".join(lines)

    return change


BROKEN = [
    (edit("kind", to="phalanx-other"), Link.DOCUMENT, "the bundle"),
    (edit("version", to=3), Link.DOCUMENT, "the bundle"),
    (edit("entries", to=[]), Link.DOCUMENT, "the bundle"),
    (edit("entries", to=lambda found: found[::-1]), Link.DOCUMENT, "the bundle"),
    (edit("entries", to=lambda found: [found[0], *found]), Link.DOCUMENT, "the bundle"),
    (edit("entries", 1, "index", to=True), Link.DOCUMENT, "the bundle"),
    (edit("entries", 1, "salt", to=None), Link.DOCUMENT, "the bundle"),
    (edit("witnesses", to=lambda found: found * 2), Link.DOCUMENT, "the bundle"),
    (edit("more", to="fields"), Link.DOCUMENT, "the bundle"),
    (edit("log", "keys", 0, to=flip), Link.KEY, "the signer"),
    (edit("log", "keys", to=lambda keys: [keys[0], keys[0]]), Link.KEY, "the signer"),
    (edit("log", "origin", to="another"), Link.KEY, "the signer"),
    (edit("log", "fingerprint", to="0" * 64), Link.KEY, "the signer"),
    (edit("witnesses", 0, "keys", 0, to=flip), Link.KEY, "witness 0"),
    (edit("witnesses", 0, "name", to="another"), Link.KEY, "witness 0"),
    (edit("checkpoint", to=lambda note: note.replace("\n13\n", "\n14\n")), Link.CHECKPOINT,
     "the checkpoint"),
    (edit("checkpoint", to="nothing"), Link.CHECKPOINT, "the checkpoint"),
    (edit("checkpoint", to=spoil_line(4)), Link.CHECKPOINT, "the checkpoint"),
    (edit("checkpoint", to=spoil_line(5)), Link.CHECKPOINT, "the checkpoint"),
    (edit("checkpoint", to=lambda note: note + "— somebody AAAAAAAA\n"), Link.CHECKPOINT, "the checkpoint"),
    (edit("checkpoint", to=lambda note: note + note.splitlines()[4] + "\n"), Link.CHECKPOINT, "the checkpoint"),
    (edit("entries", 1, "leaf", to=lambda leaf: leaf.replace("approved", "refused!")), Link.LEAF, "entry 3"),
    (edit("entries", 1, "leaf_hash", to="0" * 64), Link.LEAF, "entry 3"),
    (edit("entries", 1, "index", to=4), Link.PATH, "entry 4"),
    (edit("entries", 1, "path", 0, to="0" * 64), Link.PATH, "entry 3"),
    (edit("entries", 1, "path", to=lambda path: path[:-1]), Link.PATH, "entry 3"),
    (edit("entries", 1, "payload", to=lambda payload: payload.replace("3", "4", 1)), Link.COMMITMENT, "entry 3"),
    (edit("entries", 1, "salt", to="0" * 64), Link.COMMITMENT, "entry 3"),
    (edit("case", to="host-2"), Link.LEAF, "entry 0"),
    (edit("tenant", to="other"), Link.LEAF, "entry 0"),
    (edit("timeline", to=lambda text: text.replace("approved", "refused!", 1)), Link.TIMELINE, "the bundle"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(BROKEN)))
def test_the_first_broken_link_is_named(bundle, case):
    change, link, where = BROKEN[case]
    with pytest.raises(BrokenLink) as caught:
        verify_bundle(changed(bundle, change))
    assert (caught.value.link, caught.value.where) == (link, where)
    assert f"at the {link.value} of {where}" in caught.value.message


@pytest.mark.parametrize("line", [6, 7])
def test_a_broken_cosignature_is_named_by_its_witness(bundle, line):
    with pytest.raises(BrokenLink) as caught:
        verify_bundle(_cosigned(bundle, line))
    assert caught.value.link is Link.COSIGNATURE
    assert caught.value.where.startswith("phalanx-witness/")


def _cosigned(bundle, line):
    """The bundle of a case that the cosigned checkpoint covers, with one line of the witness spoilt."""
    if not json.loads(bundle)["witnesses"]:
        pytest.fail("the bundle should be cosigned")
    return changed(bundle, edit("checkpoint", to=spoil_line(line)))


def test_every_payload_may_be_withheld_and_the_file_says_so(bundle):
    def withhold(document):
        document["entries"][1]["payload"] = document["entries"][1]["salt"] = None
        lines = document["timeline"].split("\n")
        at = next(n for n, line in enumerate(lines) if line.endswith("entry 3"))
        body = next(n for n, line in enumerate(lines) if n > at and line.startswith("    body"))
        lines[body] = "    body     not disclosed"
        document["timeline"] = "\n".join(lines)

    report = verify_bundle(changed(bundle, withhold))
    assert report.undisclosed == 1


def test_the_signer_can_be_pinned(bundle):
    report = verify_bundle(bundle)
    assert verify_bundle(bundle, fingerprint=report.signer.upper()) == report
    with pytest.raises(BrokenLink, match="not the expected") as caught:
        verify_bundle(bundle, fingerprint="0" * 64)
    assert caught.value.link is Link.KEY


def test_a_bundle_redone_under_another_key_holds_until_the_signer_is_pinned(bundle, signers):
    """Whoever has no key of the ledger can make a ledger of his own, and that is all."""
    forger = HybridSigner.generate()
    document = json.loads(bundle)
    entry = document["entries"][0]
    entry["leaf"] = entry["leaf"].replace("approved", "refused!")
    hashed = leaf_hash(entry["leaf"].encode())
    entry |= {"index": 0, "leaf_hash": hashed.hex(), "path": []}
    origin = f"phalanx-ledger/{forger.public.fingerprint[:16]}"
    document |= {
        "entries": [entry],
        "checkpoint": sign_checkpoint(forger, origin, 1, hashed, 1_767_225_600).note,
        "witnesses": [],
        "log": {
            "fingerprint": forger.public.fingerprint,
            "keys": [str(key) for key in TrustedLog.of(origin, forger.public).keys],
            "origin": origin,
        },
    }
    with pytest.raises(BrokenLink) as caught:
        verify_bundle(canonical(document))
    assert caught.value.link is Link.TIMELINE, "everything before it is in order"
    with pytest.raises(BrokenLink) as caught:
        verify_bundle(canonical(document), fingerprint=signers[0].public.fingerprint)
    assert caught.value.link is Link.KEY


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]\n", b"null\n", b"\xff", b"[" * 100_000, b"1" * 10_000, b'{"kind": "phalanx-evidence"}\n',
        b'{\n "version": 1.0\n}\n', b'{\n "version": NaN\n}\n',
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_refused_as_a_document(data):
    with pytest.raises(BrokenLink) as caught:
        verify_bundle(data)
    assert caught.value.link is Link.DOCUMENT


def test_the_same_in_other_bytes_is_refused(bundle):
    document = json.loads(bundle)
    for data in (
        json.dumps(document).encode(),
        bundle[:-1],
        bundle + b"\n",
        bundle.replace(b'"case"', b'"\\u0063ase"', 1),
        bundle.replace(b"{\n", b'{\n "case": "another",\n', 1),
    ):
        with pytest.raises(BrokenLink) as caught:
            verify_bundle(data)
        assert caught.value.link is Link.DOCUMENT


def test_a_witness_that_is_named_must_have_signed(bundle):
    stranger = Cosigner(HybridSigner.generate())

    def add(document):
        keys = [str(key) for key in stranger.keys.keys]
        document["witnesses"].append({"name": stranger.name, "keys": keys})

    with pytest.raises(BrokenLink) as caught:
        verify_bundle(changed(bundle, add))
    assert (caught.value.link, caught.value.where) == (Link.COSIGNATURE, stranger.name)
