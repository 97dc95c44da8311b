"""Checkpoints stamped by a real RFC 3161 authority, and the ways in which one can fail."""

import asyncio
import contextlib
import subprocess

import pytest

from phalanx.adapters import HttpCalls, SystemClock
from phalanx.adapters.storage import SqliteStore
from phalanx.core import DEFAULT_TENANT, InvalidInput, Put, Unavailable
from phalanx.crypto import HybridSigner
from phalanx.ledger import LedgerTampered
from phalanx.ledger._shelf import Shelf
from phalanx.ledger.witness import StampedSizes, TimestampRefused, Timestamps, audit_vouched, verify_timestamp
from phalanx.ledger.witness._timestamp import TIMESTAMPS
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import SimLog

pytestmark = pytest.mark.requirement("IRS-4")

SIGNER = HybridSigner.generate()


@contextlib.asynccontextmanager
async def stamping(tmp_path, authority, roots=None):
    clock = SystemClock()
    log = SimLog(SIGNER, clock)
    log.append(b"1", b"2", b"3")
    telemetry = Telemetry(clock)
    alerts, calls = Alerts(telemetry), HttpCalls()
    store = await SqliteStore.open(tmp_path / "state.sqlite")
    try:
        timestamps = Timestamps(
            log, store, url=authority.url, roots_pem=roots or authority.roots, every_s=60,
            calls=calls, clock=clock, telemetry=telemetry, alerts=alerts,
        )  # fmt: skip
        timestamps.alerts = alerts
        yield log, timestamps, StampedSizes(store)
    finally:
        await store.close()
        calls.close()


def test_a_checkpoint_is_stamped_and_the_token_verifies_elsewhere(tmp_path, authority):
    async def main():
        tsa = authority()
        async with stamping(tmp_path, tsa) as (log, timestamps, kept):
            await timestamps.round()
            await timestamps.round()
            assert len(tsa.answers) == 1, "the same size is not stamped twice"
            stamp = await kept.first_covering(2)
            assert (stamp.size, await kept.first_covering(3)) == (3, None)
            text = (await log.checkpoint()).note.partition("\n\n")[0] + "\n"
            stamped = verify_timestamp(stamp.token, text, tsa.roots)
            assert abs(stamped.at_s - SystemClock().wall_ns() // 10**9) < 60
            assert stamped.at_s == stamp.stamped_at_s
            assert timestamps.alerts.recent() == []
            return text, stamp.token, tsa.folder / "ca.pem"

    text, token, ca = asyncio.run(main())
    # OpenSSL itself agrees.
    (tmp_path / "text").write_text(text)
    (tmp_path / "token").write_bytes(token)
    command = ["openssl", "ts", "-verify", "-data", "text", "-in", "token", "-CAfile", str(ca)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert "Verification: OK" in done.stdout + done.stderr


def test_a_token_holds_for_its_text_and_its_authority_alone(tmp_path, authority):
    async def main():
        tsa, other = authority(), authority()
        async with stamping(tmp_path, tsa) as (log, timestamps, _):
            stamp = await timestamps.stamp(await log.checkpoint())
            text = (await log.checkpoint()).note.partition("\n\n")[0] + "\n"
            for token, said, roots in (
                (stamp.token, text.replace("3", "4", 1), tsa.roots),
                (stamp.token, text, other.roots),
                (stamp.token[:-1], text, tsa.roots),
                (b"", text, tsa.roots),
                (bytes([stamp.token[0], *stamp.token[1:-5], *(b ^ 1 for b in stamp.token[-5:])]), text, tsa.roots),
            ):
                with pytest.raises(TimestampRefused):
                    verify_timestamp(token, said, roots)
            with pytest.raises(InvalidInput):
                verify_timestamp(stamp.token, text, "no certificates")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"digests": "sha512"}, "status is 2, not granted"), ({"ca_days": -1}, "certificate")],
    ids=["rejection", "expired CA"],
)
def test_an_authority_that_refuses_or_whose_ca_expired_gives_no_timestamp(tmp_path, authority, options, reason):
    async def main():
        async with stamping(tmp_path, authority(**options)) as (log, timestamps, kept):
            with pytest.raises(TimestampRefused, match=reason):
                await timestamps.stamp(await log.checkpoint())
            assert await kept.first_covering(0) is None

    asyncio.run(main())


def test_an_old_answer_is_not_taken_for_a_new_one(tmp_path, authority):
    async def main():
        tsa = authority()
        async with stamping(tmp_path, tsa) as (log, timestamps, _):
            await timestamps.stamp(await log.checkpoint())
            tsa.replay = True
            with pytest.raises(TimestampRefused, match="Nonce"):
                await timestamps.stamp(await log.checkpoint())

    asyncio.run(main())


def test_an_authority_that_is_down_is_told_of_once_and_costs_nothing_else(tmp_path, authority):
    async def main():
        tsa = authority()
        async with stamping(tmp_path, tsa) as (_, timestamps, kept):
            tsa.status = 503
            for _ in range(3):
                await timestamps.round()
            (alert,) = timestamps.alerts.recent()
            assert "HTTP 503" in alert.context["reason"]
            timestamps._url = "http://127.0.0.1:1/tsa"
            await timestamps.round()
            tsa.status, timestamps._url = 200, tsa.url
            await timestamps.round()
            assert (await kept.first_covering(0)).size == 3
            assert len(timestamps.alerts.recent()) == 1
            timestamps._url = "http://127.0.0.1:1/tsa"
            with pytest.raises(Unavailable):
                await timestamps.stamp(await timestamps._own.checkpoint())

    asyncio.run(main())


def test_a_stored_token_that_was_changed_is_named_by_the_audit(tmp_path, authority):
    async def main():
        async with stamping(tmp_path, authority()) as (log, timestamps, _):
            store = timestamps._store
            await Shelf(store).save_checkpoint(await log.checkpoint())
            await timestamps.stamp(await log.checkpoint())
            assert (await audit_vouched(store)).timestamps == 1
            (row,) = await store.scan(TIMESTAMPS, DEFAULT_TENANT)
            for at in (5, len(row.value) // 2, len(row.value) - 3):
                changed = bytearray(row.value)
                changed[at] ^= 4
                await store.commit([Put(TIMESTAMPS, DEFAULT_TENANT, row.key, bytes(changed))])
                with pytest.raises(LedgerTampered, match="timestamp"):
                    await audit_vouched(store)

    asyncio.run(main())
