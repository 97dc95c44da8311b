"""Every way to wrap the root key, under one contract."""

import asyncio

import pytest

from phalanx.testing.contracts import WRAPPER_CHECKS

pytestmark = pytest.mark.requirement("CRY-2")

KINDS = ("memory", "passphrase", "file", "keyring", "transit", "pkcs11")


@pytest.mark.parametrize("check", WRAPPER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_wrapper(kind, check, request):
    first, other = [_opener(make) for make in request.getfixturevalue(kind)]
    asyncio.run(check(first, other))


def _opener(make):
    async def opened():
        return make()

    return opened
