"""A real file system without room left: the node refuses to write, reads on, and recovers by itself."""

import asyncio
import os
import subprocess

import pytest

from phalanx.core import DEFAULT_TENANT, StorageFull
from phalanx.node import build_node, load_settings, open_ports

LINE = b'{"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "ws-1", "CommandLine": "%s"}'


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(tmp_path)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    yield tmp_path
    # Lazily: the process may still be closing a file when the test has failed.
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.slow
def test_a_full_disk_makes_the_node_read_only_until_there_is_room(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(6 << 20))
    settings = load_settings(flags={"node.data_dir": small_disk / "data"}).settings
    chunk = b"\n".join(LINE % (b"%d" % n * 400) for n in range(300))

    async def main() -> None:
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            first = await node.intake.accept(chunk, tenant=DEFAULT_TENANT)

            async def fill() -> None:
                while True:
                    await node.intake.accept(chunk, tenant=DEFAULT_TENANT)

            with pytest.raises(StorageFull) as caught:
                await fill()
            assert caught.value.hint
            assert node.read_only
            assert not node.ready
            assert not node.health()["storage"].ok
            assert (await node.events.get(DEFAULT_TENANT, f"{first.batch[:31]}00001")).get("Hostname") == "ws-1"

            ballast.unlink()
            while node.read_only:
                await node.clock.sleep(0.05)
            await node.settled()
            after = await node.intake.accept(LINE % b"again", tenant=DEFAULT_TENANT)
            await node.settled()
            assert (await node.events.get(DEFAULT_TENANT, after.batch)).get("CommandLine") == "again"
            assert node.ready

    asyncio.run(asyncio.wait_for(main(), 120))
