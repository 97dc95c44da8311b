"""Durable execution of workflows.

Invariants:

- the result of a step is committed, with its waypoint and whatever else the step writes, before a step
  that needs it begins; a step whose result is committed never runs again, also not in another process;
- two engines that run one run at the same time may both work on a step, but one result is kept
  (``Expect`` version 0), and both go on with it;
- inputs, template shape and seed of the first call are what counts: a resumed run ends as the first would.

What it survives: the process dying at any await, and power loss as far as the store does.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import (
    Clock,
    Conflict,
    Expect,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    Rng,
    Store,
    TenantId,
    TraceId,
    Waypoint,
    Write,
    decode,
    derive_id,
    encode,
    is_id,
)
from phalanx.core import Unavailable as NoDevice
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry, waypoint_put
from phalanx.workflows._errors import InvalidTemplate, RunChanged, StepFailed
from phalanx.workflows._limits import (
    MAX_CONCURRENT_STEPS,
    MAX_EXTRA_WRITES,
    MAX_INPUT_BYTES,
    MAX_OUTPUT_BYTES,
    MAX_REASON_CHARS,
    MAX_TEMPLATES,
)
from phalanx.workflows._records import (
    RUNS,
    STEP_RESULTS,
    Run,
    Runs,
    StepResult,
    run_put,
    step_result_id,
    step_result_put,
)
from phalanx.workflows._template import Step, StepContext, StepKind, StepOutput, Template
