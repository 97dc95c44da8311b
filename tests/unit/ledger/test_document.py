import base64

import pytest

from phalanx.core import InvalidInput
from phalanx.crypto import HybridSigner
from phalanx.ledger import InvalidCheckpoint, InvalidProof, verify_proof_document

pytestmark = pytest.mark.requirement("IRS-4")


def test_a_document_proves_its_entry_without_the_node(proof_document, make_entry, signer):
    proved = verify_proof_document(proof_document)
    assert proved.entry == make_entry(3)
    assert (proved.index, proved.size) == (3, 7)
    assert proved.root_hex == proof_document["checkpoint"]["root"]
    assert proved.signer == signer.public.fingerprint


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"index": 4}, InvalidProof, "another root"),
        ({"index": 7}, InvalidProof, "no leaf 7"),
        ({"path": []}, InvalidProof, "shorter"),
        ({"path": ["zz", "00", "11"]}, InvalidProof, "hexadecimal"),
        ({"leaf_hash": "00" * 32}, InvalidProof, "another entry"),
        ({"entry": "somebody"}, InvalidProof, "not somebody"),
        ({"leaf": 7}, InvalidInput, "leaf"),
        ({"leaf": "\ud800"}, InvalidInput, "surrogates"),
        ({"checkpoint": None}, InvalidInput, "checkpoint"),
    ],
)
def test_a_changed_document_proves_nothing(proof_document, change, error, reason):
    with pytest.raises(error, match=reason):
        verify_proof_document(proof_document | change)


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"size": 8}, InvalidCheckpoint, "something else"),
        ({"root": "00" * 32}, InvalidCheckpoint, "something else"),
        ({"origin": "another"}, InvalidCheckpoint, "something else"),
        ({"signed_at_s": 0}, InvalidCheckpoint, "something else"),
        ({"note": "nothing"}, InvalidCheckpoint, "not a text"),
        ({"public_key": "AAAA"}, InvalidInput, "hybrid public-key"),
        ({"public_key": "!"}, InvalidInput, "base64"),
    ],
)
def test_a_changed_checkpoint_proves_nothing(proof_document, change, error, reason):
    with pytest.raises(error, match=reason):
        verify_proof_document(proof_document | {"checkpoint": proof_document["checkpoint"] | change})


def test_a_changed_entry_proves_nothing(proof_document):
    from phalanx.ledger import leaf_hash

    changed = proof_document["leaf"].replace("approved", "refused!")
    assert changed != proof_document["leaf"]
    with pytest.raises(InvalidProof, match="another entry"):
        verify_proof_document(proof_document | {"leaf": changed})
    rehashed = {"leaf": changed, "leaf_hash": leaf_hash(changed.encode()).hex()}
    with pytest.raises(InvalidProof, match="another root"):
        verify_proof_document(proof_document | rehashed)


def test_another_key_proves_nothing(proof_document):
    stranger = base64.b64encode(HybridSigner.generate().public.to_bytes()).decode()
    with pytest.raises(InvalidCheckpoint, match="expected key is missing"):
        verify_proof_document(proof_document | {"checkpoint": proof_document["checkpoint"] | {"public_key": stranger}})


def test_no_document_at_all():
    with pytest.raises(InvalidInput):
        verify_proof_document({})
