"""Waveforms as Pulser describes them, sampled each nanosecond as Pulser samples them, and made into lines."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum._limits import MAX_DRIVE_US, MAX_LINE_POINTS
from phalanx.quantum.analog._program import Floats, Line

_MAX_NS = int(MAX_DRIVE_US * 1e3)
# Of the greatest value: points that a straight line meets this well are left out.
_STRAIGHT = 1e-9
_BLACKMAN_AREA = 0.42


class Samples:
    """One value for each nanosecond, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[Floats] = []
        self.length_ns = 0

    def add(self, piece: Floats) -> None:
        self.length_ns += len(piece)
        if self.length_ns > _MAX_NS:
            raise LimitExceeded("nanoseconds of one program", maximum=_MAX_NS, seen=self.length_ns)
        self.pieces.append(piece)

    def pause(self, for_ns: int) -> None:
        """Zero for a while."""
        if not 0 <= for_ns <= _MAX_NS:
            raise LimitExceeded("nanoseconds of one pause", maximum=_MAX_NS, seen=for_ns)
        self.add(np.zeros(for_ns))


def as_line(samples: Samples) -> Line:
    """Straight pieces through the samples, which are at the beginnings of their nanoseconds; jumps between pieces."""
    points: list[tuple[float, float]] = []
    start, greatest = 0, max((float(np.abs(piece).max(initial=0.0)) for piece in samples.pieces), default=0.0)
    for piece in samples.pieces:
        if not len(piece):
            continue
        # The last nanosecond goes on as the one before it did.
        ends = piece[-1] if len(piece) == 1 else 2 * piece[-1] - piece[-2]
        values = np.append(piece, max(ends, 0.0) if piece.min() >= 0 else ends)
        for at in _bends(values, _STRAIGHT * (greatest or 1.0)):
            point = ((start + at) / 1e3, float(values[at]))
            if not points or points[-1] != point:
                points.append(point)
        start += len(piece)
    if len(points) > MAX_LINE_POINTS:
        raise LimitExceeded("points of one line", maximum=MAX_LINE_POINTS, seen=len(points))
    return tuple(points)


def sampled(wave: Mapping[str, Any]) -> Floats:
    """One value for each nanosecond. Raises ``InvalidInput`` for a kind that is not understood."""
    kind = wave["kind"]
    if kind == "composite":
        return np.concatenate([sampled(part) for part in wave["waveforms"]])
    if kind == "custom":
        return np.array(wave["samples"], np.float64)
    if kind == "blackman_max":
        return _blackman_up_to(float(wave["max_val"]), float(wave["area"]))
    length = int(wave["duration"])
    if not 1 <= length <= _MAX_NS:
        raise LimitExceeded("nanoseconds of one waveform", maximum=_MAX_NS, seen=length)
    if kind == "constant":
        return np.full(length, float(wave["value"]))
    if kind == "ramp":
        return np.linspace(float(wave["start"]), float(wave["stop"]), length)
    if kind == "blackman":
        return _blackman(length, float(wave["area"]))
    if kind == "interpolated":
        times = np.array(wave["times"], np.float64) * (length - 1)
        return _monotone(times, np.array(wave["values"], np.float64), np.arange(length, dtype=np.float64))
    raise InvalidInput("program.operations", f"waveforms of the kind {kind} are not understood")


def _blackman(length: int, area: float) -> Floats:
    window = np.clip(np.blackman(length), 0.0, None)
    total = float(window.sum())
    if total <= 0:
        raise InvalidInput("program.operations", f"a Blackman waveform of {length} ns has no area")
    return np.asarray(window * (area / total * 1e3))


def _blackman_up_to(greatest: float, area: float) -> Floats:
    """The shortest whose height does not exceed ``greatest``, or one shorter whose samples still do not."""
    if greatest * area <= 0:
        raise InvalidInput("program.operations", "peak and area of a Blackman waveform have one sign")
    sign, greatest, area = math.copysign(1.0, area), abs(greatest), abs(area)
    length = math.ceil(area / (_BLACKMAN_AREA * greatest) * 1e3)
    if length > _MAX_NS:
        raise LimitExceeded("nanoseconds of one waveform", maximum=_MAX_NS, seen=length)
    while _height(length, area) > greatest:
        length += 1
    wave, shorter = _blackman(length, area), _blackman(max(1, length - 1), area)
    # The window reaches its height only where the number of samples is odd.
    if length % 2 == 1 and wave.max() < shorter.max() <= greatest:
        wave = shorter
    return np.asarray(sign * wave)


def _height(length: int, area: float) -> float:
    return area / float(np.clip(np.blackman(length), 0.0, None).sum()) * 1e3


def _monotone(times: Floats, values: Floats, at: Floats) -> Floats:
    """Piecewise cubic Hermite interpolation that adds no wiggles (Fritsch and Butland, 1984)."""
    if len(times) < 2 or (np.diff(times) <= 0).any():
        raise InvalidInput("program.operations", "an interpolated waveform has two times or more, each later")
    width = np.diff(times)
    slope = np.diff(values) / width
    if len(times) == 2:
        return np.asarray(values[0] + slope[0] * (at - times[0]))
    inner = np.zeros(len(times) - 2)
    same = np.sign(slope[:-1]) * np.sign(slope[1:]) > 0
    one, two = (2 * width[1:] + width[:-1])[same], (width[1:] + 2 * width[:-1])[same]
    inner[same] = (one + two) / (one / slope[:-1][same] + two / slope[1:][same])
    tangents = np.r_[_edge(width[:2], slope[:2]), inner, _edge(width[:-3:-1], slope[:-3:-1])]
    piece = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(width) - 1)
    h, t = width[piece], (at - times[piece]) / width[piece]
    return np.asarray(
        (1 + 2 * t) * (1 - t) ** 2 * values[piece] + t * (1 - t) ** 2 * h * tangents[piece]
        + t**2 * (3 - 2 * t) * values[piece + 1] + t**2 * (t - 1) * h * tangents[piece + 1]
    )  # fmt: skip


def _edge(width: Floats, slope: Floats) -> float:
    """The tangent at an end, by three points, kept from overshooting."""
    found = float(((2 * width[0] + width[1]) * slope[0] - width[0] * slope[1]) / (width[0] + width[1]))
    if math.copysign(1.0, found) != math.copysign(1.0, float(slope[0])) or slope[0] == 0:
        return 0.0
    if slope[0] * slope[1] < 0 and abs(found) > 3 * abs(slope[0]):
        return 3 * float(slope[0])
    return found


def _bends(values: Floats, within: float) -> list[int]:
    """Places where a line through ``values`` bends, both ends among them: straight runs are kept by their ends."""
    turns = np.abs(np.diff(values, 2)) > within
    return [0, *(np.flatnonzero(turns) + 1).tolist(), len(values) - 1]
