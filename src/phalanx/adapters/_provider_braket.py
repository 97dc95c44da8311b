"""Amazon Braket: its local simulator where the extra is installed, its machines emulated, or the real ones.

Real machines go through ``amazon-braket-sdk`` under the credentials and the region that it finds. A task carries our
key as a tag, and is looked for by it before it is sent again.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from phalanx.adapters._braket_documents import braket_model
from phalanx.adapters._limits import MAX_VENDOR_PAGES
from phalanx.adapters._provider_iqm import IQM
from phalanx.adapters._provider_simulators import OthersSimulator
from phalanx.adapters._provider_snapshots import provider_snapshots, snapshot_device
from phalanx.adapters._sent import ASK_EVERY_S, SentMachine, real, stage_by
from phalanx.core import Circuit, InvalidInput, PhalanxError, Rng, Unavailable
from phalanx.devices import (
    Backend,
    DeviceModel,
    Emulated,
    EmulatedAtoms,
    Modality,
    Program,
    ProviderContext,
    QueueState,
    ShotResult,
    Snapshot,
    Stage,
    Status,
    check_takes,
    ideal_device,
    listed_price,
    provenance_of,
    published_machines,
    shipped_snapshots,
)
from phalanx.quantum import MAX_SHOTS, Gates, InvalidCircuit, parse
from phalanx.quantum.analog import AnalogProgram, braket_text
from phalanx.quantum.circuits import convert

BRAKET = "braket"
KEY_TAG = "phalanx-key"
_LOCAL_QUBITS = 22
_GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
_STATES = {"ONLINE": Status.ONLINE, "OFFLINE": Status.OFFLINE, "RETIRED": Status.RETIRED}
_WAITING = frozenset({"CREATED", "QUEUED", "RUNNING", "CANCELLING"})
_WHOLE = "Success"
_QUEUED, _DONE = frozenset({"CREATED", "QUEUED"}), frozenset({"COMPLETED"})


class BraketProvider:
    """What ``braket_provider`` makes."""

    name = BRAKET

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = tuple(backends)

    def backends(self) -> Sequence[Backend]:
        return self._backends


def braket_provider(context: ProviderContext, *, account: "Callable[[], Any] | None" = None) -> BraketProvider:
    """The entry point ``braket``. ``account`` opens the one at Amazon; the default is the SDK's."""
    machines = braket_machines(provider_snapshots(context, IQM))
    found: list[Backend] = []
    if BRAKET in context.hardware:
        opened = (account or AwsAccount)()
        found += [
            (BraketMachine if one.features.gates else BraketAtoms)(arn, one, opened, context) for arn, one in machines
        ]
    else:
        found += [(Emulated if one.features.gates else EmulatedAtoms)(one, context.offload) for _, one in machines]
    if find_spec("braket") is not None:
        local = ideal_device(
            f"{BRAKET}.local", _LOCAL_QUBITS, max_shots=MAX_SHOTS, title="Braket's local simulator", only_by_name=True
        )
        found.append(OthersSimulator(local, context.offload, _local))
    return BraketProvider(found)


def braket_machines(of_iqm: Sequence[Snapshot] = ()) -> list[tuple[str, DeviceModel]]:
    """Names at Amazon, and the machines as they are emulated here; Garnet as it is in ``of_iqm``, else as shipped."""
    found = [(one.vendor_id, one.device) for one in published_machines(BRAKET)]
    garnet = next(one for one in (*of_iqm, *shipped_snapshots(IQM)) if one.head.name == "garnet")
    model = snapshot_device(BRAKET, garnet, Modality.SUPERCONDUCTING, name="iqm-garnet")
    return sorted([*found, (_GARNET, model)], key=lambda pair: pair[1].name)


def _local(circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
    """The simulator takes no seed, so it is asked how likely each outcome is, and we draw."""
    from braket.devices import LocalSimulator

    read = parse(circuit)
    bare = Gates(circuit.n_qubits)
    bare.ops = read.ops
    (weights,) = LocalSimulator().run(convert(bare, "braket").probability(), shots=0).result().values
    n, kept = circuit.n_qubits, read.measured
    cube = np.clip(weights, 0, None).reshape((2,) * n).sum(axis=tuple(q for q in range(n) if q not in kept))
    ordered = cube.transpose([sorted(kept).index(q) for q in kept]).reshape(-1)
    drawn = Rng(seed).child("braket").numpy().multinomial(shots, ordered / ordered.sum())
    return {f"{at:0{len(kept)}b}": int(n) for at, n in enumerate(drawn) if n}


class AwsAccount:
    """What is asked of the SDK: machines, tasks, and the list of tasks."""

    def device(self, arn: str) -> Any:
        return self._module().AwsDevice(arn)

    def task(self, arn: str) -> Any:
        return self._module().AwsQuantumTask(arn)

    def find(self, arn: str, key: str) -> str:
        """The task that carries our key; empty where there is none."""
        client = self.device(arn).aws_session.braket_client
        after: dict[str, str] = {}
        for _ in range(MAX_VENDOR_PAGES):
            page = client.search_quantum_tasks(
                filters=[{"name": "deviceArn", "operator": "EQUAL", "values": [arn]}], maxResults=100, **after
            )
            for task in page.get("quantumTasks", []):
                if (task.get("tags") or {}).get(KEY_TAG) == key:
                    return str(task["quantumTaskArn"])
            if not page.get("nextToken"):
                break
            after = {"nextToken": page["nextToken"]}
        return ""

    def _module(self) -> Any:
        try:
            from braket import aws
        except ImportError as error:
            raise Unavailable("Amazon Braket", str(error), hint="pip install 'phalanx[braket]'") from error
        return aws


class BraketMachine(SentMachine):
    """A real machine at Amazon."""

    def __init__(self, arn: str, device: DeviceModel, account: Any, context: ProviderContext) -> None:
        region = arn.split(":")[3]
        super().__init__(real(device, region=region, price=listed_price(device.name)), context.clock)
        self._arn, self._account, self._offload = arn, account, context.offload

    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        tags = {KEY_TAG: key} if key else {}
        return await self._offload.run(self._send, circuit, shots, tags)

    def _send(self, circuit: Circuit, shots: int, tags: dict[str, str]) -> str:
        with _said(self._device.name):
            return str(self._account.device(self._arn).run(convert(circuit, "braket"), shots=shots, tags=tags).id)

    async def _find(self, key: str) -> str:
        return await self._offload.run(self._found, key)

    def _found(self, key: str) -> str:
        with _said(self._device.name):
            return str(self._account.find(self._arn, key))

    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        del circuit, shots
        return await self._offload.run(self._result, handle)

    def _result(self, handle: str) -> dict[str, int] | None:
        with _said(self._device.name):
            task = self._account.task(handle)
            state = str(task.state())
            if state in _WAITING:
                return None
            if state != "COMPLETED":
                raise Unavailable(self._device.name, f"the task {handle} ended as {state.lower()}")
            return self._counted(task.result())

    def _counted(self, result: Any) -> dict[str, int]:
        return {str(key): int(n) for key, n in sorted(result.measurement_counts.items())}

    async def _stage(self, handle: str) -> Stage:
        return await self._offload.run(self._stands, handle)

    def _stands(self, handle: str) -> Stage:
        with _said(self._device.name):
            state = str(self._account.task(handle).state())
        return stage_by(state, waiting=_QUEUED, running=_WAITING - _QUEUED, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._offload.run(self._cancel, handle)

    def _cancel(self, handle: str) -> None:
        with _said(self._device.name):
            self._account.task(handle).cancel()

    async def _seen(self) -> DeviceModel:
        return await self._offload.run(self._looked)

    def _looked(self) -> DeviceModel:
        with _said(self._device.name):
            device = self._account.device(self._arn)
            document = json.loads(device.properties.json())
            status = _STATES.get(str(device.status), Status.OFFLINE)
            depth = device.queue_depth().quantum_tasks
        waiting = sum(int(str(n).lstrip(">")) for n in depth.values())
        made = self._described(document, status)
        return replace(made, queue=QueueState(depth=waiting, as_of_ns=self._clock.wall_ns()))

    def _described(self, document: dict[str, Any], status: Status) -> DeviceModel:
        return braket_model(self._device.name, self._arn, document, status=status)


class BraketAtoms(BraketMachine):
    """Aquila at Amazon: a ``QueuedAnalog``. What it allows is what was published of it; its status is asked for.

    A shot before which not all atoms were loaded says nothing of the program, and is left out: counts may add up to
    less than was asked for, and provenance says to how many.
    """

    async def submit(self, circuit: Circuit, /, *, shots: int, seed: int, key: str) -> str:
        del circuit, shots, seed, key
        raise InvalidCircuit(f"{self._device.name} runs no gates: it takes analog programs")

    async def evolve(self, program: AnalogProgram, /, *, shots: int, seed: int) -> ShotResult:
        handle = await self.submit_program(program, shots=shots, seed=seed, key="")
        return await self.collect_program(handle, program, shots=shots, seed=seed)

    async def submit_program(self, program: AnalogProgram, /, *, shots: int, seed: int, key: str) -> str:
        del seed  # A real machine draws for itself.
        check_takes(self._device, Program.of_analog(program), shots)
        known = await self._find(key) if key else ""
        tags = {KEY_TAG: key} if key else {}
        return known or await self._offload.run(self._send_text, braket_text(program), shots, tags)

    async def collect_program(self, handle: str, program: AnalogProgram, /, *, shots: int, seed: int) -> ShotResult:
        while (counts := await self._offload.run(self._result, handle)) is None:
            await self._clock.sleep(ASK_EVERY_S)
        if not counts:
            # The machine did its part, and asking for the same task again gives the same.
            raise InvalidInput(
                "shots", f"none of the {shots} on {self._device.name} began with all {program.n_atoms} atoms in place",
                hint="ask for more shots, or for fewer atoms",
            )  # fmt: skip
        return ShotResult(counts, provenance_of(self._device, program, sum(counts.values()), seed))

    def _send_text(self, text: str, shots: int, tags: dict[str, str]) -> str:
        with _said(self._device.name):
            from braket.ahs import AnalogHamiltonianSimulation
            from braket.ir.ahs import Program as Document

            # The SDK sends what it calls a simulation, and refuses the document of one.
            simulation = AnalogHamiltonianSimulation.from_ir(Document.parse_raw(text))
            return str(self._account.device(self._arn).run(simulation, shots=shots, tags=tags).id)

    def _counted(self, result: Any) -> dict[str, int]:
        """An atom that is gone afterwards was excited."""
        whole = [one for one in result.measurements if str(one.status.value) == _WHOLE]
        if not whole:
            raise Unavailable(self._device.name, f"none of {len(result.measurements)} shots was a success")
        drawn: Counter[str] = Counter()
        for one in whole:
            if all(one.pre_sequence):
                drawn["".join("0" if there else "1" for there in one.post_sequence)] += 1
        return dict(sorted(drawn.items()))

    def _described(self, document: dict[str, Any], status: Status) -> DeviceModel:
        del document
        return replace(self._device, status=status)


@contextmanager
def _said(what: str) -> Iterator[None]:
    """What the SDK raises, in our words."""
    try:
        yield
    except PhalanxError:
        raise
    except Exception as error:
        raise Unavailable(what, f"{type(error).__name__}: {error}") from error
