"""Benchmarks as commands: `phalanx bench NAME --json`.

Each runs the real thing under a stated load and measures its baselines in the same run. A
figure's name ends in its unit and percentile.
"""

from phalanx.bench._model import Bench, BenchOptions, BenchResult, describe_machine
from phalanx.bench._registry import BENCHES, run_bench
from phalanx.bench.trust._crypto import measure_algorithm

__all__ = ["BENCHES", "Bench", "BenchOptions", "BenchResult", "describe_machine", "measure_algorithm", "run_bench"]
