import json

import msgspec
import pytest

from phalanx.core import InvalidInput
from phalanx.crypto import HybridSigner
from phalanx.ledger import InvalidCheckpoint, InvalidProof, ProofDocument, verify_proof_document

pytestmark = pytest.mark.requirement("IRS-4")


@pytest.fixture
def document(bench, make_entry):
    """A document as somebody far away gets it: JSON, read back."""

    async def main(bench):
        ledger = await bench.filled(7)
        made = await ledger.proof_document(make_entry(3).id)
        assert isinstance(made, ProofDocument)
        return json.loads(msgspec.json.encode(made))

    return bench(main)


def test_a_document_proves_its_entry_without_the_node(document, make_entry, signer):
    proved = verify_proof_document(document)
    assert proved.entry == make_entry(3)
    assert (proved.index, proved.size) == (3, 7)
    assert proved.signer == signer.public.fingerprint


def test_the_last_checkpoint_serves_as_long_as_it_covers_the_entry(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(3)
        await ledger.checkpoint()
        await ledger.record(make_entry(3))
        assert (await ledger.proof_document(make_entry(2).id)).size == 3
        assert (await ledger.proof_document(make_entry(3).id)).size == 4

    bench(main)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"index": 4}, InvalidProof),
        ({"index": 7}, InvalidProof),
        ({"size": 8}, InvalidCheckpoint),
        ({"path": []}, InvalidProof),
        ({"path": ["zz", "00", "11"]}, InvalidProof),
        ({"checkpoint": "nothing"}, InvalidCheckpoint),
        ({"format": "another"}, InvalidInput),
        ({"public_key": "AAAA"}, InvalidInput),
        ({"surprise": 1}, InvalidInput),
        ({"leaf": 7}, InvalidInput),
    ],
)
def test_a_changed_document_proves_nothing(document, change, error):
    with pytest.raises(error):
        verify_proof_document(document | change)


def test_a_changed_entry_proves_nothing(document):
    changed = document["leaf"].replace("approved", "refused!")
    assert changed != document["leaf"]
    with pytest.raises(InvalidProof, match="another root"):
        verify_proof_document(document | {"leaf": changed})


def test_another_key_proves_nothing(document):
    stranger = msgspec.to_builtins(HybridSigner.generate().public.to_bytes())
    with pytest.raises(InvalidCheckpoint, match="expected key is missing"):
        verify_proof_document(document | {"public_key": stranger})
