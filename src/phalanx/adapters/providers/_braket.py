"""Amazon Braket: its local simulator where the extra is installed, its machines emulated, or the real ones.

Real machines go through ``amazon-braket-sdk`` under the credentials and the region that it finds. A task carries our
key as a tag, and is looked for by it before it is sent again.
"""

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

from phalanx.adapters._limits import MAX_VENDOR_PAGES
from phalanx.adapters.providers._braket_documents import braket_model
from phalanx.adapters.providers._iqm import IQM
from phalanx.adapters.providers._sdk import sdk_said
from phalanx.adapters.providers._sent import Drawn, Sent, SentAtoms, SentMachine, real, stage_by
from phalanx.adapters.providers._simulators import OthersSimulator
from phalanx.adapters.providers._snapshots import provider_snapshots, snapshot_device
from phalanx.core import Circuit, Rng, Unavailable
from phalanx.devices import (
    Backend,
    DeviceModel,
    Emulated,
    EmulatedAtoms,
    Modality,
    Provided,
    ProviderContext,
    QueueState,
    Snapshot,
    Stage,
    Status,
    ideal_device,
    listed_price,
    published_machines,
    shipped_snapshots,
)
from phalanx.quantum import MAX_SHOTS, Gates, parse
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
_T = TypeVar("_T")


def braket_provider(context: ProviderContext, *, account: "Callable[[], Any] | None" = None) -> Provided:
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
    return Provided(BRAKET, found)


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


class _BraketTasks(Sent):
    """Tasks at Amazon, of whatever kind of machine."""

    def __init__(self, arn: str, device: DeviceModel, account: Any, context: ProviderContext) -> None:
        region = arn.split(":")[3]
        super().__init__(real(device, region=region, price=listed_price(device.name)), context.clock)
        self._arn, self._account, self._offload = arn, account, context.io

    async def _find(self, key: str) -> str:
        return await self._offload.run(self._found, key)

    def _found(self, key: str) -> str:
        with sdk_said(self._device.name):
            return str(self._account.find(self._arn, key))

    def _sent(self, specification: Any, shots: int, key: str) -> str:
        tags = {KEY_TAG: key} if key else {}
        return str(self._account.device(self._arn).run(specification, shots=shots, tags=tags).id)

    def _result(self, handle: str, read: Callable[[Any], _T]) -> _T | None:
        """The SDK's as ``read`` makes of it; ``None`` while there is none."""
        with sdk_said(self._device.name):
            task = self._account.task(handle)
            state = str(task.state())
            if state in _WAITING:
                return None
            if state != "COMPLETED":
                raise Unavailable(self._device.name, f"the task {handle} ended as {state.lower()}")
            return read(task.result())

    async def _stage(self, handle: str) -> Stage:
        return await self._offload.run(self._stands, handle)

    def _stands(self, handle: str) -> Stage:
        with sdk_said(self._device.name):
            state = str(self._account.task(handle).state())
        return stage_by(state, waiting=_QUEUED, running=_WAITING - _QUEUED, done=_DONE)

    async def _drop(self, handle: str) -> None:
        await self._offload.run(self._cancel, handle)

    def _cancel(self, handle: str) -> None:
        with sdk_said(self._device.name):
            self._account.task(handle).cancel()

    async def _seen(self) -> DeviceModel:
        return await self._offload.run(self._looked)

    def _looked(self) -> DeviceModel:
        with sdk_said(self._device.name):
            device = self._account.device(self._arn)
            document = json.loads(device.properties.json())
            status = _STATES.get(str(device.status), Status.OFFLINE)
            depth = device.queue_depth().quantum_tasks
        waiting = sum(int(str(n).lstrip(">")) for n in depth.values())
        made = self._described(document, status)
        return replace(made, queue=QueueState(depth=waiting, as_of_ns=self._clock.wall_ns()))

    @abstractmethod
    def _described(self, document: dict[str, Any], status: Status) -> DeviceModel: ...


class BraketMachine(_BraketTasks, SentMachine):
    """A real machine at Amazon that takes circuits."""

    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        return await self._offload.run(self._send, circuit, shots, key)

    def _send(self, circuit: Circuit, shots: int, key: str) -> str:
        specification = convert(circuit, "braket")
        with sdk_said(self._device.name, once=True):
            return self._sent(specification, shots, key)

    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        del circuit, shots
        return await self._offload.run(self._result, handle, _counted)

    def _described(self, document: dict[str, Any], status: Status) -> DeviceModel:
        return braket_model(self._device.name, self._arn, document, status=status)


class BraketAtoms(_BraketTasks, SentAtoms):
    """Aquila at Amazon. What it allows is what was published of it; its status is asked for.

    A shot before which not all atoms were loaded says nothing of the program, and is left out: counts may add up to
    less than was asked for, and provenance says to how many.
    """

    async def _create_program(self, program: AnalogProgram, shots: int, key: str) -> str:
        return await self._offload.run(self._send_text, braket_text(program), shots, key)

    def _send_text(self, text: str, shots: int, key: str) -> str:
        with sdk_said(self._device.name, once=True):
            from braket.ahs import AnalogHamiltonianSimulation
            from braket.ir.ahs import Program as Document

            # The SDK sends what it calls a simulation, and refuses the document of one.
            return self._sent(AnalogHamiltonianSimulation.from_ir(Document.parse_raw(text)), shots, key)

    async def _drawn(self, handle: str, program: AnalogProgram, shots: int) -> Drawn | None:
        del program, shots
        return await self._offload.run(self._result, handle, self._read)

    def _read(self, result: Any) -> Drawn:
        """An atom that is gone afterwards was excited."""
        whole = [one for one in result.measurements if str(one.status.value) == _WHOLE]
        if not whole:
            raise Unavailable(self._device.name, f"none of {len(result.measurements)} shots was a success")
        drawn: Counter[str] = Counter()
        for one in whole:
            if all(one.pre_sequence):
                drawn["".join("0" if there else "1" for there in one.post_sequence)] += 1
        return Drawn(dict(sorted(drawn.items())))

    def _described(self, document: dict[str, Any], status: Status) -> DeviceModel:
        del document
        return replace(self._device, status=status)


def _counted(result: Any) -> dict[str, int]:
    return {str(key): int(n) for key, n in sorted(result.measurement_counts.items())}
