"""Every way to wrap the root key, under one contract."""

import asyncio

import pytest

from phalanx.adapters import FileWrapper, OsEntropy
from phalanx.crypto.vault import PassphraseWrapper
from phalanx.testing import InlineOffload, MemoryWrapper
from phalanx.testing.contracts import WRAPPER_CHECKS

pytestmark = pytest.mark.requirement("CRY-2")

# Enough to go through Argon2id, little enough to do it hundreds of times.
CHEAP = {"memory_kib": 64, "passes": 1, "lanes": 1}


@pytest.fixture
def memory():
    entropy = OsEntropy()
    made = [MemoryWrapper(entropy), MemoryWrapper(entropy)]
    return [lambda one=one: one for one in made]


@pytest.fixture
def passphrase():
    return [
        lambda text=text: PassphraseWrapper(text, entropy=OsEntropy(), offload=InlineOffload(), **CHEAP)
        for text in (b"correct horse battery", b"correct horse batterx")
    ]


@pytest.fixture
def file(tmp_path):
    return [lambda n=n: FileWrapper(tmp_path / f"{n}" / "root.key", OsEntropy()) for n in range(2)]


KINDS = ("memory", "passphrase", "file")


@pytest.mark.parametrize("check", WRAPPER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_wrapper(kind, check, request):
    first, other = [_opener(make) for make in request.getfixturevalue(kind)]
    asyncio.run(check(first, other))


def _opener(make):
    async def opened():
        return make()

    return opened
