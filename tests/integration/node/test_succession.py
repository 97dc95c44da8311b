"""Three nodes in processes of their own, over a NATS server: one is killed at work, others continue what it had."""

import asyncio

import pytest

from phalanx.bench.agents._succession import take_over, three_nodes
from phalanx.core import InvalidInput
from phalanx.node import build_node, load_settings, open_ports

pytest.importorskip("nats", reason="the extra `cluster` is not installed")


@pytest.mark.slow
@pytest.mark.requirement("AGT-3")
@pytest.mark.requirement("AGT-6")
def test_missions_of_a_killed_node_are_done_by_others_and_not_again_when_it_comes_back(tmp_path):
    async def check():
        async with three_nodes(tmp_path) as nodes:
            for seed in (1, 2):
                found = await take_over(nodes, 12, seed)
                assert (found["lost"], found["doubled"], found["performed"]) == (0, 0, 12)
            # Both of the others took a share, and each says from whom.
            taken = [await node.ask(do="missions") for node in nodes[1:]]
            origins = [{origin for _, origin, _ in said["missions"].values() if origin} for said in taken]
            assert origins == [{nodes[0].process}] * 2

    asyncio.run(check())


def test_heirs_without_a_cluster_cannot_be_meant(tmp_path):
    flags = {"node.data_dir": tmp_path, "cluster.heirs": "lab.acme"}

    async def check():
        settings = load_settings(file=None, environ={}, flags=flags).settings
        async with open_ports(settings) as ports:
            with pytest.raises(InvalidInput, match="in no cluster"):
                async with build_node(settings, ports):
                    pass

    asyncio.run(check())
