"""A node's side of a cluster: who was invited stays so over a restart, and who was dismissed stays out."""

import asyncio
import contextlib

import pytest

from phalanx.adapters import OsEntropy, SystemClock
from phalanx.adapters.nats import ClusterAccess, NatsCluster, ServePlan
from phalanx.core import InvalidInput, NotFound, Rng, StorageCorrupt, Unavailable
from phalanx.telemetry import Telemetry
from phalanx.testing import wait_until

pytest.importorskip("nats", reason="the extra `cluster` is not installed")


@contextlib.asynccontextmanager
async def opened(folder, address, plan, heard=lambda process, note: None):
    clock = SystemClock()
    cluster = NatsCluster(folder, plan, clock=clock, rng=Rng(1), entropy=OsEntropy())
    try:
        transports = await cluster.open(address, Telemetry(clock), heard)
        yield cluster, transports
    finally:
        await cluster.close()


def test_invitations_outlive_a_restart_and_dismissals_too(tmp_path):
    async def run():
        async with opened(tmp_path, "hq", ServePlan()) as (hq, _):
            kept, dismissed = await hq.invite("kept"), await hq.invite("dismissed")
            assert kept.seed
            assert kept.seed not in repr(kept)
            await hq.dismiss("dismissed")
            with pytest.raises(NotFound):
                await hq.dismiss("dismissed")
            urls = hq.urls
        async with opened(tmp_path, "hq", ServePlan()) as (hq, _):
            assert (hq.urls, hq.users) == (urls, ("kept",))
            async with opened(tmp_path / "guest", "lab", kept) as (lab, transports):
                await asyncio.gather(*(one.wait_connected() for one in transports))
                assert not lab.serves
                with pytest.raises(InvalidInput, match="another's"):
                    await lab.invite("friend")
            with pytest.raises(Unavailable) as caught:
                async with opened(tmp_path / "out", "out", dismissed):
                    pass
            assert "does not know this key" in caught.value.hint

    asyncio.run(run())


def test_who_is_here_is_heard_on_every_path_and_cannot_claim_a_wildcard(tmp_path):
    async def run():
        heard = []
        async with opened(tmp_path, "hq", ServePlan(), lambda *found: heard.append(found)) as (hq, _):
            access = await hq.invite("lab")
            while not heard:  # the server reads its new configuration when it comes to it
                with contextlib.suppress(Unavailable):
                    async with opened(tmp_path / "lab", "l*b.>", access) as (lab, transports):
                        await asyncio.gather(*(one.wait_connected() for one in transports))
                        lab.here(b"note")
                        await wait_until(lambda: heard.count(("l*b.>", b"note")) == 2)

    asyncio.run(run())


def test_users_that_cannot_be_read_are_not_forgotten(tmp_path):
    (tmp_path / "users.json").write_text("{")

    async def run():
        with pytest.raises(StorageCorrupt):
            async with opened(tmp_path, "hq", ServePlan()):
                pass

    asyncio.run(run())


def test_certificates_that_are_none_are_refused():
    with pytest.raises(InvalidInput) as caught:
        ClusterAccess(("tls://hq:1",), "no certificate").nats()
    assert caught.value.field == "cluster.ca"
