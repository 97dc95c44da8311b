"""How long a person waits: importing, asking for help, starting a node."""

import sys
import tempfile
from pathlib import Path

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import bytecode_kept, quantile, repeated, run_ms, running_node


async def startup_bench(options: BenchOptions) -> BenchResult:
    """Whole processes timed from outside, warm (the first run of each is dropped) and with bytecode kept."""
    with bytecode_kept():
        return await _measured(options)


async def _measured(options: BenchOptions) -> BenchResult:
    times = 5 if options.quick else 15
    python = sys.executable
    bare = await repeated(times, lambda: run_ms(python, "-c", "pass"))
    imported = await repeated(times, lambda: run_ms(python, "-c", "import phalanx"))
    core = await repeated(times, lambda: run_ms(python, "-c", "import phalanx.core"))
    only_click = await repeated(times, lambda: run_ms(python, "-c", "import click"))
    asked = await repeated(times, lambda: run_ms(python, "-m", "phalanx", "--help"))

    async def up() -> float:
        with tempfile.TemporaryDirectory() as folder:
            async with running_node(Path(folder)) as node:
                return node.ready_ms

    ready = await repeated(2 if options.quick else 5, up)
    bare_ms = quantile(bare, 0.5)
    return BenchResult(
        load={"runs": times, "up_runs": len(ready), "warm": True, "bytecode": "kept"},
        figures={
            "import_ms_p50": quantile(imported, 0.5) - bare_ms,
            "import_core_ms_p50": quantile(core, 0.5) - bare_ms,
            "help_ms_p50": quantile(asked, 0.5),
            "help_ms_max": max(asked),
            "up_ready_ms_p50": quantile(ready, 0.5),
            "up_ready_ms_max": max(ready),
        },
        baselines={
            "bare_python": {"process_ms_p50": bare_ms},
            "import_click_alone": {"process_ms_p50": quantile(only_click, 0.5)},
        },
        ratios={"help_over_bare_click": quantile(asked, 0.5) / quantile(only_click, 0.5)},
    )
