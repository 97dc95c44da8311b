"""Hybrid workflows: directed graphs of classical and quantum steps, executed so that a crash loses nothing.

A template is a plug-in of the group ``phalanx.analyses``. Each step's result is durable before a step that
needs it begins; steps that do not need each other overlap; a quantum step for which no device can be had is
answered by its classical fallback, and the result says so.

Errors::

    PhalanxError (core)
    ├── Unavailable (core)
    │   └── RoutedClassically   a step's fallback is expected to lose less than any device
    └── WorkflowError
        ├── InvalidFile         a workflow's file cannot be used; each problem with its line
        ├── InvalidTemplate     a template cannot be run; names the step
        ├── RunChanged          a run was begun by another template
        ├── RunStopped          a run was paused or cancelled
        ├── StepFailed          a step raised, or its result cannot be stored; names step and field
        └── Taken               another engine has taken over the run
"""

from phalanx.workflows._attempts import STEP_ATTEMPTS, STEP_UNDOS, Retry, StepAttempt, StepUndo
from phalanx.workflows._decorated import Workflow
from phalanx.workflows._definitions import WORKFLOW_FILES, Definitions, WorkflowFile
from phalanx.workflows._desk import Desk, RoutedClassically
from phalanx.workflows._engine import Engine, RunOutcome
from phalanx.workflows._errors import (
    InvalidFile,
    InvalidTemplate,
    Problem,
    RunChanged,
    RunStopped,
    StepFailed,
    Taken,
    WorkflowError,
)
from phalanx.workflows._files import INPUT_TYPES, read_workflow
from phalanx.workflows._gantt import Bar, Gantt, gantt_of, gantt_svg, now_told, window_told
from phalanx.workflows._placing import Criticality, Mode, OverSpent, Placing
from phalanx.workflows._portable import portable
from phalanx.workflows._records import (
    ASSESSMENTS,
    RUNS,
    STEP_RESULTS,
    Assessments,
    Run,
    Runs,
    StepKind,
    StepResult,
    assessment_put,
    step_result_id,
)
from phalanx.workflows._replaying import StepReplayed
from phalanx.workflows._states import RUN_STATES, Move, RunState, RunStates, RunStatus, Wanted
from phalanx.workflows._template import Step, StepContext, StepOutput, StepWork, Template
from phalanx.workflows._underway import CircuitNow, Underway
from phalanx.workflows._windows import CircuitWindow

__all__ = [
    "ASSESSMENTS",
    "INPUT_TYPES",
    "RUNS",
    "RUN_STATES",
    "STEP_ATTEMPTS",
    "STEP_RESULTS",
    "STEP_UNDOS",
    "WORKFLOW_FILES",
    "Assessments",
    "Bar",
    "CircuitNow",
    "CircuitWindow",
    "Criticality",
    "Definitions",
    "Desk",
    "Engine",
    "Gantt",
    "InvalidFile",
    "InvalidTemplate",
    "Mode",
    "Move",
    "OverSpent",
    "Placing",
    "Problem",
    "Run",
    "RoutedClassically",
    "RunChanged",
    "Retry",
    "RunOutcome",
    "RunState",
    "RunStates",
    "RunStatus",
    "RunStopped",
    "Runs",
    "Step",
    "StepAttempt",
    "StepContext",
    "StepFailed",
    "StepKind",
    "StepOutput",
    "StepReplayed",
    "StepResult",
    "StepUndo",
    "StepWork",
    "Taken",
    "Template",
    "Underway",
    "Wanted",
    "Workflow",
    "WorkflowError",
    "WorkflowFile",
    "assessment_put",
    "gantt_of",
    "gantt_svg",
    "now_told",
    "portable",
    "read_workflow",
    "step_result_id",
    "window_told",
]
