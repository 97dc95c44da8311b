"""What Quandela's cloud is sent and answers: experiments as Perceval writes them, outcomes, and how a machine is. Pure.

An experiment is a message of protocol buffers, packed and in base64, behind a prefix that names it. Its schema is that
of Perceval 1.1 (``_schema_circuit_pb2.py``, public under the MIT licence); the few messages that are needed are written
here. The circuit is sent as one unitary: it is compiled for the chip there in any case. Which shots are kept is decided
here, by the same rules as for what is emulated; the cloud is only told how many photons they need at least.
"""

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from phalanx.adapters._limits import MAX_VENDOR_ANSWER_BYTES
from phalanx.core import InvalidInput, Unavailable
from phalanx.quantum.photonic import PhotonicProgram, Source, keeps, shown

FORM = "1.1.0"
"""The version of Perceval whose form this is."""
_PREFIX, _ZIP = ":PCVL:", ":PCVL:zip:"
# Fields of the messages, by number.
_RE, _IM = 1, 2
_ROWS, _COLS, _NUMERIC, _DATA = 1, 2, 3, 1
_START, _WIDTH, _UNITARY, _MATRIX = 1, 2, 15, 1
_INPUT, _MODES, _COMPONENTS, _LEAST = 1, 8, 9, 10
_VARINT, _DOUBLE, _BYTES = 0, 1, 2
# What the cloud calls what it tells of a machine's photons, in percent.
_FIGURES = {"Transmittance (%)": "transmittance", "HOM (%)": "indistinguishability", "g2 (%)": "g2"}


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where a machine lets photons in (``inputs``; none: anywhere), and how many modes it has."""

    inputs: tuple[int, ...]
    modes: int


def experiment(program: PhotonicProgram, wiring: Wiring) -> str:
    """The serialised experiment. A photon that cannot come in by its own mode takes the next that can.

    Raises ``InvalidInput`` where there are more photons than modes to come in by.
    """
    photons, matrix = _rewired(program, wiring)
    n = len(photons)
    numbers = b"".join(
        _field(_DATA, _double(_RE, one.real) + _double(_IM, one.imag)) for one in matrix.reshape(-1).tolist()
    )
    whole = _number(_ROWS, n) + _number(_COLS, n) + _field(_NUMERIC, numbers)
    component = _number(_START, 0) + _number(_WIDTH, n) + _field(_UNITARY, _field(_MATRIX, whole))
    state = f"{_PREFIX}BasicState:|{shown(photons)}>"
    message = _field(_INPUT, state.encode()) + _number(_MODES, n) + _field(_COMPONENTS, component)
    return packed("Experiment", base64.b64encode(message + _number(_LEAST, least(program))).decode())


def packed(tag: str, text: str) -> str:
    return _ZIP + base64.b64encode(zlib.compress(f"{_PREFIX}{tag}:{text}".encode())).decode()


def unpacked(text: str) -> tuple[str, str]:
    """What kind of thing it is, and the thing. Raises ``ValueError`` for what is none."""
    if text.startswith(_ZIP):
        inflating = zlib.decompressobj()
        try:
            found = inflating.decompress(base64.b64decode(text[len(_ZIP) :], validate=True), MAX_VENDOR_ANSWER_BYTES)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if inflating.unconsumed_tail:
            raise ValueError("is larger than any answer may be")
        text = found.decode()
    if not text.startswith(_PREFIX):
        raise ValueError(f"{text[:40]!r} is nothing of Perceval's")
    tag, _, rest = text[len(_PREFIX) :].partition(":")
    return tag, rest


def least(program: PhotonicProgram) -> int:
    """How many photons (or clicks) a shot that is kept shows at least."""
    taken = {herald.mode for herald in program.heralds}
    needed = sum(herald.photons for herald in program.heralds)
    for one in program.postselect:
        if not taken & set(one.modes):
            taken |= set(one.modes)
            needed += min(one.photons)
    return max(needed, program.min_detected)


def taken(said: object, shots: int, what: str) -> int:
    """Of how many shots the outcomes are: as the cloud says, else as many as were asked for. Raises ``Unavailable``
    where it says that there were none, or no number."""
    if said is None:
        return shots
    try:
        told = int(str(said))
    except ValueError:
        told = 0
    if told < 1:
        raise Unavailable(what, f"its outcomes are of {said!r} shots, and {shots} were asked for")
    return min(told, shots)


def counts(program: PhotonicProgram, results: str, shots: int, what: str) -> dict[str, int]:
    """The outcomes that are kept. Raises ``Unavailable`` for what cannot be read, or is more than came of ``shots``."""
    try:
        tag, text = unpacked(str(json.loads(results)["results"]))
        if tag != "BSCount" or not (text.startswith("{") and text.endswith("}")):
            raise ValueError(f"{tag} is no count of outcomes")
        found, came = dict[str, int](), 0
        for entry in filter(None, text[1:-1].split(";")):
            state, _, n = entry.partition("=")
            seen = [int(one) for one in state.strip("|>").split(",")]
            if len(seen) < program.modes or any(seen[program.modes :]):
                raise ValueError(f"{state} is no outcome of {program.modes} modes")
            if int(n) < 0:
                raise ValueError(f"{state} came {n} times")
            came += int(n)
            if int(n) and keeps(program, seen[: program.modes]):
                key = shown(seen[: program.modes])
                found[key] = found.get(key, 0) + int(n)
        if came > shots:
            raise ValueError(f"there are {came} of them in {shots} shots")
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(what, f"its outcomes cannot be read: {error}") from error
    return dict(sorted(found.items()))


def figures(perfs: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    """What is told of a machine's photons, and in words what of it no source of photons can be like.

    A figure that is none costs nobody a result: the one that was known before stays.
    """
    found, odd = dict[str, float](), []
    for name, ours in _FIGURES.items():
        if perfs.get(name) is None:
            continue
        try:
            value = float(perfs[name]) / 100
            Source(**{ours: value})
        except (ValueError, TypeError, InvalidInput):
            odd.append(f"{name} {perfs[name]!r}")
        else:
            found[ours] = value
    return found, odd


def wiring_of(specs: Mapping[str, Any], modes: int) -> Wiring:
    """Where photons come in: older answers say so, newer ones by the input of the machine's architecture."""
    limits = specs.get("constraints") or {}
    modes = int(limits.get("max_mode_count") or modes)
    if specs.get("connected_input_modes"):
        return Wiring(tuple(int(one) for one in specs["connected_input_modes"]), modes)
    if specs.get("architecture"):
        _, text = unpacked(str(specs["architecture"]))
        found = [one for number, one in fields(base64.b64decode(text)) if number == _INPUT and isinstance(one, bytes)]
        said = found[0].decode().rpartition("|")[2].rstrip(">") if found else ""
        if said:
            return Wiring(tuple(mode for mode, n in enumerate(said.split(",")) if int(n)), modes)
    return Wiring((), modes)


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a message of protocol buffers, in order. Raises ``ValueError`` for what is none."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield number, value
        elif kind == _DOUBLE:
            yield number, float(struct.unpack_from("<d", _slice(message, at, 8))[0])
            at += 8
        elif kind == _BYTES:
            size, at = _read_varint(message, at)
            yield number, _slice(message, at, size)
            at += size
        else:
            raise ValueError(f"a field of kind {kind}")


def _rewired(program: PhotonicProgram, wiring: Wiring) -> tuple[list[int], np.ndarray]:
    """(m,) photons by mode and (m, m) a matrix that does the same with photons that come in where they can."""
    wanted = [mode for mode, n in enumerate(program.photons) if n]
    allowed = wiring.inputs or tuple(range(program.modes))
    if len(wanted) > len(allowed):
        ways = ", ".join(str(mode) for mode in allowed)
        raise InvalidInput(
            "program.photons", f"are in {len(wanted)} modes, and photons come in by {len(allowed)} here: {ways}"
        )
    free = [mode for mode in allowed if mode not in wanted]
    by = {mode: mode if mode in allowed else free.pop(0) for mode in wanted}
    n = max(program.modes, *(mode + 1 for mode in by.values()))
    matrix = np.eye(n, dtype=np.complex128)
    matrix[: program.modes, : program.modes] = program.unitary
    # Columns change places: what comes in by one mode does what came in by another.
    places = list(range(n))
    for mode, entry in by.items():
        at = places.index(mode)
        places[entry], places[at] = places[at], places[entry]
    photons = [0] * n
    for mode, entry in by.items():
        photons[entry] = program.photons[mode]
    return photons, matrix[:, places]


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value) if value else b""


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | _DOUBLE) + struct.pack("<d", value) if value else b""


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number that does not end")
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not message[at - 1] & 0x80:
            return value, at


def _slice(message: bytes, at: int, size: int) -> bytes:
    if at + size > len(message):
        raise ValueError("a field that ends too early")
    return message[at : at + size]
