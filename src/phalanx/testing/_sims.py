"""The simulations there are, by name: what ``phalanx sim NAME --seed N`` runs."""

from collections.abc import Iterator

from phalanx.core import NotFound
from phalanx.testing._checking import SimReport, Simulation
from phalanx.testing._sim_allocation import allocation_simulation
from phalanx.testing._sim_balancing import balancing_simulation
from phalanx.testing._sim_channel import channel_simulation
from phalanx.testing._sim_ledger import ledger_simulation
from phalanx.testing._sim_messaging import messaging_simulation
from phalanx.testing._sim_storage import storage_simulation
from phalanx.testing._sim_vault import vault_simulation
from phalanx.testing._sim_witness import witness_simulation
from phalanx.testing._sim_workflows import workflows_simulation
from phalanx.testing.agents import agents_simulation, succession_simulation
from phalanx.testing.consensus import consensus_simulation, twins_simulation
from phalanx.testing.delivery import delivery_simulation

SIMULATIONS: dict[str, Simulation] = {
    made.name: made
    for made in (
        storage_simulation(),
        agents_simulation(),
        allocation_simulation(),
        succession_simulation(),
        balancing_simulation(),
        channel_simulation(),
        ledger_simulation(),
        messaging_simulation(),
        vault_simulation(),
        witness_simulation(),
        workflows_simulation(),
        consensus_simulation(),
        delivery_simulation(),
        twins_simulation(),
    )
}


def run_seeds(name: str, first_seed: int, count: int) -> Iterator[SimReport]:
    """One report per seed, each as soon as its run ends."""
    chosen = SIMULATIONS.get(name)
    if chosen is None:
        raise NotFound("simulation", name, hint=f"there are: {', '.join(SIMULATIONS)}")
    return (chosen.run(seed) for seed in range(first_seed, first_seed + count))
