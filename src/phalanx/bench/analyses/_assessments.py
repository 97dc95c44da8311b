"""Whether quantum steps make an assessment better: network flows (NSL-KDD) and processes of hosts (OTRF recordings).

Detection quality and calibration with and without quantum steps, on the same rows, with intervals. Needs the extra
``learning`` and both data sets.
"""

from dataclasses import replace

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.analyses._assessment import network_flows
from phalanx.bench.analyses._assessment_hosts import host_logs


async def assessment_bench(options: BenchOptions) -> BenchResult:
    """Flows, and beside them host logs under their own name."""
    flows = await network_flows(options)
    load, figures, baselines, differences = host_logs(options)
    return replace(
        flows,
        load=dict(flows.load) | {"host_logs": load},
        figures=dict(flows.figures) | {"host_logs": figures},
        baselines=dict(flows.baselines) | {"host_logs": baselines},
        ratios=dict(flows.ratios) | differences,
    )
