"""The mean of an observable after a circuit: mitigated as the step's placing says, from pieces where it does not
fit.

The cost of cutting is computed before anything runs, by ``plan-cuts`` or by the step itself, which refuses a
circuit that needs more than ``max_overhead`` times the shots.
"""

import msgspec

from phalanx.core import Baseline, Circuit, InvalidInput, PhalanxError
from phalanx.quantum import Gates, Observable
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, operation
from phalanx.workflows.operations._quantum import need_quantum

MAX_SHOTS_EACH = 1_000_000
_CLAIM = (
    "no speed-up: a state of this size is computed exactly; what mitigation or cutting took in shots, and how much "
    "nearer it came, is told beside it"
)


class MeanAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``circuit`` is a text (OpenQASM), whose own measurements are left out; ``observable`` empty: the parity of all.

    ``shots`` are those of each circuit. What is wider than ``max_qubits`` (0: than every device) is cut, if that takes
    at most ``max_overhead`` times the shots for the same precision.
    """

    circuit: str
    observable: str = ""
    shots: int = 4_000
    max_qubits: int = 0
    max_overhead: float = 100.0


class Meant(Compared, frozen=True, kw_only=True):
    """The mean with its standard error, and what it is without mitigation; ``exact`` is that of an ideal machine.

    ``benefit`` is how much nearer mitigation came to that. ``circuits`` and ``shots`` were run for it. ``pieces`` are
    widths, and ``overhead`` is what the cuts take, where it was cut.
    """

    value: float
    error: float
    plain: float
    exact: float | None
    benefit: float | None
    mitigation: str
    circuits: int
    shots: int
    pieces: list[int]
    overhead: float
    method: str


class CutsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``circuit`` and ``observable`` as for a mean; ``shots`` for each circuit of a piece."""

    circuit: str
    max_qubits: int
    observable: str = ""
    shots: int = 4_000


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is cut, and what that takes: ``overhead`` times the shots for the same precision."""

    told: str
    overhead: float
    widths: list[int]
    cuts: list[str]
    circuits: int
    shots: int


def measured(asked: MeanAsked | CutsAsked) -> tuple[Circuit, Observable]:
    """The circuit with all qubits read at its end. Raises ``InvalidInput``, which names the field."""
    from phalanx.quantum import Op, gate_array
    from phalanx.quantum.circuits import read

    if not 1 <= asked.shots <= MAX_SHOTS_EACH:
        raise InvalidInput("shots", f"1 to {MAX_SHOTS_EACH:,}, got {asked.shots}")
    try:
        circuit = read(asked.circuit)
        steps = gate_array(circuit).steps().steps
    except PhalanxError as error:
        raise InvalidInput("circuit", error.message) from error
    gates = [Op(step.name, step.qubits, step.params) for step in steps if step.name not in ("measure", "barrier")]
    whole = Gates(circuit.n_qubits).extend(gates).measure(*range(circuit.n_qubits)).circuit()
    text = asked.observable or " ".join(f"Z{qubit}" for qubit in range(circuit.n_qubits))
    return whole, Observable.read(text)


def run_exactly(asked: MeanAsked) -> tuple[float | None, int]:
    """Runs in another process."""
    from phalanx.quantum.mitigation import exact_value

    circuit, observable = measured(asked)
    return exact_value(circuit, observable), circuit.n_qubits


def run_plan(asked: CutsAsked, seed: int) -> Cuts:
    """Runs in another process."""
    from phalanx.quantum.cutting import circuits_of, find_cuts

    circuit, observable = measured(asked)
    plan = find_cuts(circuit, asked.max_qubits, seed=seed)
    n_circuits = len(circuits_of(plan, observable))
    return Cuts(
        told=plan.told(), overhead=plan.overhead, widths=list(plan.widths), cuts=[one.where for one in plan.cuts],
        circuits=n_circuits, shots=n_circuits * asked.shots,
    )  # fmt: skip


@operation("plan-cuts", title="Where a circuit is cut to fit, and what that takes in shots", gives=Cuts)
async def plan_cuts(context: StepContext, asked: CutsAsked) -> Cuts:
    """Nothing is run on a device."""
    if asked.max_qubits < 1:
        raise InvalidInput("max_qubits", f"is 1 at least, got {asked.max_qubits}")
    found: Cuts = await context.processes.run(run_plan, asked, context.seed)
    return found


async def exactly(context: StepContext, asked: MeanAsked) -> Meant:
    """The state of an ideal machine, computed."""
    value, n_qubits = await context.processes.run(run_exactly, asked)
    if value is None:
        raise InvalidInput("circuit", f"the state of at most 20 qubits is computed, not of {n_qubits}")
    return Meant(
        value=value, error=0.0, plain=value, exact=value, benefit=None, mitigation="", circuits=0, shots=0, pieces=[],
        overhead=1.0, method="the state, computed",
    )  # fmt: skip


@operation(
    "estimate-mean", title="The mean of an observable after a circuit, mitigated and cut as wanted, on devices",
    gives=Meant, fallback=exactly, means=True,
)  # fmt: skip
async def mean(context: StepContext, asked: MeanAsked) -> StepOutput:
    """Circuits go to the devices of the node; ``zne`` and ``pec`` can mitigate what is not cut."""
    need_quantum(context)
    circuit, _ = measured(asked)
    exact, n_qubits = await context.processes.run(run_exactly, asked)
    devices = [one for one in context.fleet.devices() if one.features.gates]
    if n_qubits > (limit := asked.max_qubits or max((one.reach for one in devices), default=0)):
        return await _from_pieces(context, asked, circuit, limit, exact)
    from phalanx.quantum.mitigation import mean_by

    if context.run_mean is None:
        found = await mean_by(context.run_circuit, circuit, measured(asked)[1], shots=asked.shots, seed=context.seed)
    else:
        text = str(measured(asked)[1])
        found = await context.run_mean(circuit, text, shots=asked.shots, seed=context.seed)
    benefit = found.benefit if found.exact is not None else _benefit(found.value, found.plain, exact, found.mitigation)
    value = Meant(
        value=found.value, error=found.error, plain=found.plain, exact=exact, benefit=benefit,
        mitigation=found.mitigation, circuits=found.circuits, shots=found.shots, pieces=[], overhead=1.0,
        method="shots" + (f", {found.mitigation}" if found.mitigation else ""),
    )  # fmt: skip
    return StepOutput(value=_beside(value, n_qubits), provenance=found.provenance)


async def _from_pieces(
    context: StepContext, asked: MeanAsked, circuit: Circuit, limit: int, exact: float | None
) -> StepOutput:
    from phalanx.quantum.cutting import cut_mean, find_cuts

    try:
        plan = await context.offload.run(find_cuts, circuit, limit, seed=context.seed)
    except PhalanxError as error:
        reason = f"{circuit.n_qubits} qubits are more than the {limit} there are, and it cannot be cut: {error.message}"
        raise InvalidInput("circuit", reason) from error
    if plan.overhead > asked.max_overhead:
        raise InvalidInput(
            "max_overhead", f"{asked.max_overhead:g} times the shots are allowed, and the circuit is cut: {plan.told()}"
        )
    found = await cut_mean(
        plan, measured(asked)[1], run=context.run_circuit, shots=asked.shots, seed=context.seed
    )  # fmt: skip
    value = Meant(
        value=found.value, error=found.error, plain=found.value, exact=exact, benefit=None, mitigation="",
        circuits=found.circuits, shots=found.shots, pieces=list(plan.widths), overhead=plan.overhead,
        method=f"shots, {plan.told()}",
    )  # fmt: skip
    return StepOutput(value=_beside(value, circuit.n_qubits), provenance=found.provenance)


def _benefit(value: float, plain: float, exact: float | None, mitigation: str) -> float | None:
    return None if exact is None or not mitigation else abs(plain - exact) - abs(value - exact)


def _beside(value: Meant, n_qubits: int) -> Meant:
    ours = Baseline(
        method=value.method[:200], value=value.value, error=value.error, cost=value.shots, cost_unit="shots"
    )
    exact = value.exact
    beside = () if exact is None else (
        Baseline(method="the state, computed", value=exact, error=0.0, cost=1 << n_qubits, cost_unit="amplitudes"),
    )  # fmt: skip
    return msgspec.structs.replace(value, quantum=ours, classical=beside, claim=_CLAIM)
