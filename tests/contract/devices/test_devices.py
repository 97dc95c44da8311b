"""Every backend of this package against the suite for devices."""

import asyncio

import pytest

from phalanx.core import Origin
from phalanx.devices import ProviderContext, local_provider
from phalanx.testing import InlineOffload, SimWorld
from phalanx.testing.contracts import DEVICE_CHECKS, check_provider


@pytest.fixture
def provider():
    return local_provider(ProviderContext(InlineOffload(), SimWorld(1).clock))


def test_the_provider(provider):
    check_provider(provider)


@pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.requirement("QRM-8")
def test_the_local_simulator(check, provider):
    (backend,) = provider.backends()
    assert backend.device.origin is Origin.SIMULATED
    asyncio.run(check(backend))
