"""Which vouching a node starts, and what a wrong setting is told."""

import pytest

from phalanx.core import InvalidInput
from phalanx.crypto import HybridSigner
from phalanx.ledger.witness import Cosigner, TrustedLog
from phalanx.node import Settings, build_node, load_settings
from phalanx.testing import SimWorld

pytestmark = pytest.mark.requirement("IRS-4")

# What every node runs for its ledger, whatever the settings.
ALWAYS = {"ledger-seal", "ledger-cases", "ledger-anchor"}
SIGNER = HybridSigner.generate()
WITNESS = [str(key) for key in Cosigner(SIGNER).keys.keys]
LOG = [str(key) for key in TrustedLog.of("phalanx-ledger/x", SIGNER.public).keys]


def services(**ledger):
    async def main(world):
        settings = Settings.model_validate({"ledger": ledger})
        async with build_node(settings, world.ports("n")) as node:
            return {name for name in node.health() if name.startswith("ledger-")} - ALWAYS

    return SimWorld(1).run(main)


def test_a_service_runs_only_for_what_the_settings_name():
    assert services() == set()
    assert services(witnesses=[{"url": "http://w/v1/witness", "keys": WITNESS}]) == {"ledger-witnesses"}
    assert services(witness_for=[{"keys": LOG}]) == {"ledger-gossip"}
    assert services(neighbours=["http://n"]) == {"ledger-gossip"}


@pytest.mark.parametrize(
    ("ledger", "field", "reason"),
    [
        ({"witnesses": [{"url": "http://w", "keys": ["nonsense"]}]}, "ledger.witnesses", "verifier key"),
        ({"witnesses": [{"url": "http://w", "keys": LOG}]}, "ledger.witnesses", "0x01"),
        ({"witnesses": [{"url": "http://w", "keys": WITNESS}] * 2}, "ledger.witnesses", "twice"),
        ({"witness_for": [{"keys": []}]}, "ledger.witness_for", "there is none"),
        ({"witness_for": [{"keys": LOG}] * 2}, "ledger.witness_for", "twice"),
        ({"quorum": 1}, "ledger.quorum", "cannot be had"),
        ({"timestamp_url": "http://tsa"}, "ledger.timestamp_ca", "name the file"),
        ({"timestamp_url": "http://tsa", "timestamp_ca": "nowhere.pem"}, "ledger.timestamp_ca", "cannot be read"),
        ({"timestamp_url": "http://tsa", "timestamp_ca": "pyproject.toml"}, "ledger.timestamp_ca", "certificates"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_runs(ledger, field, reason):
    with pytest.raises(InvalidInput, match=reason) as caught:
        services(**ledger)
    assert caught.value.field.startswith(field)


def test_tables_come_from_the_environment_as_json():
    text = '[{"url": "http://w/v1/witness", "keys": ["a+b+c"]}]'
    loaded = load_settings(environ={"PHALANX_LEDGER_WITNESSES": text})
    assert loaded.settings.ledger.witnesses[0].url == "http://w/v1/witness"
    assert load_settings(environ={"PHALANX_LEDGER_NEIGHBOURS": "http://a,http://b"}).settings.ledger.neighbours == (
        "http://a",
        "http://b",
    )
    with pytest.raises(InvalidInput, match="begins like JSON"):
        load_settings(flags={"ledger.witnesses": "[nonsense"})
