"""The devices a node has, and which of them a circuit goes to.

Anything that places by more than a rule is a ``Chooser`` (``_choosing``). The rule of this room: of the devices
that can run it, the least noisy one (an ideal simulator before the emulation of a machine before a machine), then
the smallest; a tie goes to the first by name. Callers who want a machine say so, by ``origin`` or by name. Every
choice comes with its reason, and with the reason against each other device.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from phalanx.core import InvalidInput, LimitExceeded, NotFound, Origin
from phalanx.devices._backend import Backend
from phalanx.devices._errors import NoDeviceFits, in_short
from phalanx.devices._limits import MAX_BACKENDS
from phalanx.devices._model import DeviceModel
from phalanx.devices._programs import Program, ProgramKind, refusals, unlike

_NONE: Mapping[str, str] = MappingProxyType({})
_DISTURBED = {Origin.SIMULATED: 0, Origin.EMULATED: 1, Origin.HARDWARE: 2}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One device as it was considered. ``reason`` says in words why it was taken, passed over or refused."""

    device: DeviceModel
    fits: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Placement:
    """The backend chosen, why, and every device that was considered, by name."""

    backend: Backend
    reason: str
    considered: tuple[Candidate, ...]


class Fleet:
    """All backends of a node, by unique name."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self._backends: dict[str, Backend] = {}
        for backend in sorted(backends, key=lambda backend: backend.device.name):
            if backend.device.name in self._backends:
                raise InvalidInput("devices", f"two are called {backend.device.name!r}")
            self._backends[backend.device.name] = backend
        if len(self._backends) > MAX_BACKENDS:
            raise LimitExceeded("the devices of a node", maximum=MAX_BACKENDS, seen=len(self._backends))

    def __contains__(self, name: object) -> bool:
        return name in self._backends

    def names(self) -> list[str]:
        return list(self._backends)

    def devices(self) -> list[DeviceModel]:
        """By name."""
        return [backend.device for backend in self._backends.values()]

    def backend(self, name: str) -> Backend:
        """Raises ``NotFound``."""
        if name not in self._backends:
            raise NotFound("device", name)
        return self._backends[name]

    def place(
        self, n_qubits: int, *, shots: int = 1, origin: Origin | None = None, without: Mapping[str, str] = _NONE
    ) -> Placement:
        """Choose a device for a circuit of ``n_qubits`` that is run ``shots`` times at once.

        ``origin`` restricts the choice to devices whose answers are of that kind; ``without`` names devices that are
        none for it, each with the reason. Raises ``NoDeviceFits``.
        """
        refused = {
            name: without.get(name) or _refusal(b.device, n_qubits, shots, origin) for name, b in self._backends.items()
        }
        return self._placed(refused, f"{n_qubits} {_kind(origin)}qubits and {shots} shots at once")

    def place_program(
        self, program: Program, *, shots: int = 1, origin: Origin | None = None, without: Mapping[str, str] = _NONE
    ) -> Placement:
        """Choose a machine for a program without gates, by the same rule. Raises ``NoDeviceFits``."""
        found = self.program_refusals(program, shots=shots, origin=origin)
        refused = {name: why or without.get(name, "") for name, why in found.items()}
        wanted = f"{program.n_qubits} {_kind(origin)}{program.kind.width_in} and {shots} shots at once"
        return self._placed(refused, wanted, program.kind)

    def program_refusals(self, program: Program, *, shots: int, origin: Origin | None) -> dict[str, str]:
        """Why each machine does not take it, by name; empty where it does."""
        return {name: _program_refusal(b.device, program, shots, origin) for name, b in self._backends.items()}

    def _placed(self, refused: Mapping[str, str], wanted: str, kind: ProgramKind | None = None) -> Placement:
        fitting = [b.device for name, b in self._backends.items() if not refused[name]]
        if not fitting:
            raise NoDeviceFits(wanted, in_short(refused))
        chosen = min(fitting, key=lambda device: (_DISTURBED[device.origin], device.n_qubits, device.name))
        alike = sum(device.origin is chosen.origin for device in fitting)
        in_all = f"{chosen.n_qubits} {'qubits' if kind is None else kind.width_in}"
        if kind is ProgramKind.PHOTONIC and chosen.photonic is not None:
            in_all = f"{chosen.photonic.modes} modes"
        reason = f"{chosen.name} has {in_all}; {_among(alike, len(fitting))} fits {wanted}"
        return Placement(
            self._backends[chosen.name],
            reason,
            tuple(_candidate(device, refused[device.name], chosen, reason) for device in self.devices()),
        )


def _candidate(device: DeviceModel, refusal: str, chosen: DeviceModel, reason: str) -> Candidate:
    if refusal:
        return Candidate(device, fits=False, reason=f"{device.name} {refusal}")
    if device is chosen:
        return Candidate(device, fits=True, reason=reason)
    if device.origin is not chosen.origin:
        why = f"gives {chosen.origin.value} results, which are less disturbed than {device.origin.value} ones"
        return Candidate(device, fits=True, reason=f"{device.name} fits, but {chosen.name} {why}")
    why = "is as small" if device.n_qubits == chosen.n_qubits else "is smaller"
    return Candidate(device, fits=True, reason=f"{device.name} fits, but {chosen.name} {why}")


def _refusal(device: DeviceModel, n_qubits: int, shots: int, origin: Origin | None) -> str:
    if not device.status.takes_work:
        return f"is {device.status.value}"
    if not device.features.gates:
        return "runs no gates"
    if device.only_by_name:
        return "runs what names it, and nothing else"
    if device.n_qubits < n_qubits:
        return f"has {device.n_qubits} qubits, {n_qubits} are needed"
    if device.reach < n_qubits:
        return f"has {device.reach} connected qubits that work, {n_qubits} are needed"
    if device.max_shots < shots:
        return f"takes at most {device.max_shots} shots at once, {shots} are needed"
    if origin is not None and device.origin is not origin:
        return f"gives {device.origin.value} results, {origin.value} ones are asked for"
    return ""


def _program_refusal(device: DeviceModel, program: Program, shots: int, origin: Origin | None) -> str:
    if why := unlike(device, program):
        return why
    if not device.status.takes_work:
        return f"is {device.status.value}"
    if origin is not None and device.origin is not origin:
        return f"gives {device.origin.value} results, {origin.value} ones are asked for"
    if device.only_by_name:
        return "runs what names it, and nothing else"
    return next((f"does not take it: {why}" for why in refusals(device, program, shots)), "")


def _kind(origin: Origin | None) -> str:
    return f"{origin.value} " if origin is not None else ""


def _among(n_alike: int, n_fitting: int) -> str:
    if n_fitting == 1:
        return "no other device"
    if n_alike == 1:
        return f"of {n_fitting} devices it is the least disturbed that"
    return f"of {n_alike} devices as little disturbed it is the smallest that"
