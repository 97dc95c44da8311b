"""Entropy sources of a running node: visible in its health, API and metrics; dropped and let back in."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT
from phalanx.crypto.entropy import EntropyPool
from phalanx.node import Settings, open_ports
from phalanx.trust import Role

pytestmark = pytest.mark.requirement("CRY-3")


def test_sources_are_tested_and_shown_with_what_they_are(on_node):
    async def work(api):
        items = {one["name"]: one for one in (await api.http.get("/v1/entropy")).raise_for_status().json()["items"]}
        assert set(items) == {"os", "jitter", "simulated-qrng"}
        assert {one["state"] for one in items.values()} == {"healthy"}
        assert items["simulated-qrng"]["simulated"]
        assert items["jitter"]["samples"] == 1024
        health = (await api.http.get("/healthz")).json()["services"]["entropy"]
        assert health == {"ok": True, "detail": "os healthy, jitter healthy, simulated-qrng healthy (simulated)"}
        metrics = (await api.http.get("/metrics")).text
        assert 'phalanx_entropy_source_healthy{source="jitter"} 1' in metrics

    on_node(work, entropy={"sources": ["jitter", "simulated-qrng"]})


def test_a_source_that_runs_out_is_dropped_and_comes_back_by_an_operators_word(on_node, tmp_path):
    import os

    file = tmp_path / "noise"
    file.write_bytes(os.urandom(1024))
    name = f"device:{file}"

    async def work(api):
        async def state():
            return {one["name"]: one["state"] for one in (await api.http.get("/v1/entropy")).json()["items"]}[name]

        assert await state() == "healthy"
        await api.node.noise.poll()
        assert await state() == "dropped"
        assert api.node.ready, "a source that is lost takes no node out of service"
        alerts = (await api.http.get("/v1/alerts")).json()["items"]
        assert any(f"{name} is dropped" in alert["text"] for alert in alerts)
        refused = await api.http.post("/v1/entropy/readmit", params={"source": name})
        assert refused.json()["state"] == "dropped"
        file.write_bytes(os.urandom(8192))
        viewer = await api.token(Role.VIEWER)
        denied = await api.http.post("/v1/entropy/readmit", params={"source": name}, headers=viewer)
        assert denied.status_code == 403
        guest = await api.token(Role.ADMIN, tenant="acme")
        denied = await api.http.post("/v1/entropy/readmit", params={"source": name}, headers=guest)
        assert denied.status_code == 403, "the sources are the node's, not a tenant's"
        back = await api.http.post("/v1/entropy/readmit", params={"source": name})
        assert (back.json()["state"], back.json()["failure"]) == ("healthy", "")
        assert (await api.http.post("/v1/entropy/readmit", params={"source": "no"})).status_code == 404
        entries = [one.entry for one in await api.node.ledger.entries(-1, 10)]
        told = [
            (one.tenant, one.subject, one.body["state"]) for one in entries if one.action == "entropy-source-tested"
        ]
        assert told == [(DEFAULT_TENANT, name, "dropped"), (DEFAULT_TENANT, name, "healthy")]

    on_node(work, entropy={"sources": [name]})


def test_what_cannot_be_opened_is_left_out_with_an_alert(on_node):
    async def work(api):
        assert [one["name"] for one in (await api.http.get("/v1/entropy")).json()["items"]] == ["os", "jitter"]
        alerts = [alert["text"] for alert in (await api.http.get("/v1/alerts")).json()["items"]]
        assert sum("is left out" in text for text in alerts) == 3
        assert any("there is no plug-in lava-lamp" in text for text in alerts)

    on_node(work, entropy={"sources": ["lava-lamp", "jitter", "jitter", "device:/x@99"]})


def test_a_nodes_secrets_come_out_of_the_pool(tmp_path):
    async def main():
        async with open_ports(Settings(node={"data_dir": tmp_path})) as ports:
            assert isinstance(ports.entropy, EntropyPool)
            assert ports.noise.stir == ports.entropy.stir

    asyncio.run(main())
