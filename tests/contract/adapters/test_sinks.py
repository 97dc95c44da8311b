import asyncio

import pytest

from phalanx.testing.contracts import SINK_CHECKS
from phalanx.testing.delivery import SINK_LABS

pytestmark = [pytest.mark.requirement("INT-3"), pytest.mark.requirement("INT-5")]


@pytest.mark.parametrize("check", SINK_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SINK_LABS)
def test_a_sink_keeps_the_contract(name, check, tmp_path):
    with SINK_LABS[name](tmp_path) as lab:
        asyncio.run(check(lab))
