"""What is kept of events, for everybody and for single tenants."""

import pytest

from phalanx.core import GIB, NS_PER_S, InvalidInput
from phalanx.intel.archive import Keep
from phalanx.node import load_settings
from phalanx.node.detection._archive import kept_of_tenants

pytestmark = pytest.mark.requirement("INT-1")
DAY_NS = 86_400 * NS_PER_S


def settings(**env):
    return load_settings(environ={f"PHALANX_ARCHIVE_{name.upper()}": text for name, text in env.items()}).settings


def test_a_tenant_may_have_other_days_and_another_size_and_the_rest_as_everybody():
    loaded = settings(tenant_gib="2", days="30", gib_of="acme=8", days_of="acme=90,lab=0").archive
    keep, apart = kept_of_tenants(loaded)
    assert keep == Keep(2 * GIB, 30 * DAY_NS)
    assert apart == {"acme": Keep(8 * GIB, 90 * DAY_NS), "lab": Keep(2 * GIB, 0)}


def test_what_is_no_size_and_no_time_is_refused():
    for wrong in ({"gib_of": "acme=0"}, {"days_of": "acme=-1"}):
        with pytest.raises(InvalidInput, match="acme"):
            settings(**wrong)
