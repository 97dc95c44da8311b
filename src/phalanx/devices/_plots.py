"""Pictures of devices as SVG: the map of qubits and couplers shaded by error, and the course of a number over time.
Pure.
"""

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from phalanx.devices._limits import MAX_DRAWN_COUPLERS, MAX_RELAXED_QUBITS, RELAXING_ROUNDS
from phalanx.devices._model import DeviceModel

_SIDE, _MARGIN = 640.0, 28.0
_BY_THE_MINUTE_NS = 2 * 86_400 * 10**9
# From good to bad; told apart in grey as well, and by people who do not see red and green.
_SHADES = ((253, 231, 37), (94, 201, 98), (33, 145, 140), (59, 82, 139), (68, 1, 84))


def has_map(device: DeviceModel) -> bool:
    """Whether some qubits couple and others do not, few enough to be drawn: only then does a map say anything."""
    return not device.all_to_all and 0 < len(device.calibration.pair) <= MAX_DRAWN_COUPLERS


def topology_svg(device: DeviceModel) -> str:
    """Qubits shaded by readout error, couplers by two-qubit error; what is masked is dashed."""
    known = device.calibration
    pairs = known.pair if len(known.pair) <= MAX_DRAWN_COUPLERS else known.pair[:0]
    places = _places(device.n_qubits, known.pair, all_to_all=device.all_to_all)
    two = _shades(known.two_qubit_error, known.faulty_coupler)
    one = _shades(known.readout_error, known.faulty_qubit)
    label = escape(" ".join(_legend(device)))
    size = f"{_SIDE:.0f} {_SIDE + 40:.0f}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" aria-label="{label}" '
    parts = [f'{head}font-family="sans-serif">']
    for at, (a, b) in enumerate(pairs.tolist()):
        (xa, ya), (xb, yb) = places[a], places[b]
        dash = ' stroke-dasharray="3 3"' if known.faulty_coupler[at] else ""
        title = f"{a}–{b}: two-qubit error {_percent(known.two_qubit_error[at])}"
        parts.append(
            f'<line x1="{xa:.1f}" y1="{ya:.1f}" x2="{xb:.1f}" y2="{yb:.1f}" stroke="{two[at]}" stroke-width="4"{dash}>'
            f"<title>{title}</title></line>"
        )
    radius = max(2.5, min(11.0, 120.0 / math.sqrt(device.n_qubits)))
    for qubit, (x, y) in enumerate(places):
        dash = ' stroke-dasharray="2 2"' if known.faulty_qubit[qubit] else ""
        title = (
            f"qubit {qubit}: readout error {_percent(known.readout_error[qubit])}, "
            f"one-qubit error {_percent(known.one_qubit_error[qubit])}, T1 {_us(known.t1_ns[qubit])}, "
            f"T2 {_us(known.t2_ns[qubit])}"
        )
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{one[qubit]}" stroke="#555"{dash}>'
            f"<title>{title}</title></circle>"
        )
    for line, text in enumerate(_legend(device)):
        place = f'x="{_MARGIN}" y="{_SIDE + 18 + 18 * line:.0f}"'
        parts.append(f'<text {place} font-size="13" fill="#777">{escape(text)}</text>')
    return "".join([*parts, "</svg>"])


def history_svg(name: str, unit: str, points: Sequence[tuple[int, float]], marked: Sequence[int] = ()) -> str:
    """A line over time: ``points`` are (time in ns, value); at the times ``marked`` something drifted."""
    width, height = 640.0, 180.0
    good = [(at, value) for at, value in points if not math.isnan(value)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
    head += f'aria-label="{escape(name)} over time" font-family="sans-serif">'
    if not good:
        return (
            head + f'<text x="12" y="90" font-size="13" fill="#777">{escape(name)}: nothing is known yet</text></svg>'
        )
    first, last = good[0][0], good[-1][0]
    low, high = min(value for _, value in good), max(value for _, value in good)

    def place(at: int, value: float) -> tuple[float, float]:
        x = 60 + (width - 80) * ((at - first) / (last - first) if last > first else 0.5)
        return x, height - 30 - (height - 60) * ((value - low) / (high - low) if high > low else 0.5)

    line = " ".join("{:.1f},{:.1f}".format(*place(at, value)) for at, value in good)
    times = set(marked)
    dots = ""
    for at, value in good:
        x, y = place(at, value)
        radius, shade = (5.0, "#c2410c") if at in times else (2.5, "#21918c")
        dots += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{shade}"/>'
    # One value stands in the middle, and is written there once.
    heights = ((34.0, high), (height - 30, low)) if high > low else ((height / 2 + 4, low),)
    labels = "".join(f'<text x="4" y="{y:.0f}" font-size="12" fill="#777">{one:.3g}</text>' for y, one in heights)
    labels += (
        f'<text x="60" y="{height - 8:.0f}" font-size="12" fill="#777">{escape(name)} ({escape(unit)}), '
        f"{_times(first, last)}</text>"
    )
    return (
        head + f'<polyline points="{line}" fill="none" stroke="#21918c" stroke-width="1.5"/>' + dots + labels + "</svg>"
    )


def _places(n_qubits: int, pair: np.ndarray, *, all_to_all: bool) -> list[tuple[float, float]]:
    """Neighbours near each other: a circle where all couple, else the two slowest waves of the graph."""
    if all_to_all or not len(pair) or n_qubits < 3:
        turn = 2 * np.pi * np.arange(n_qubits) / n_qubits
        flat = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    else:
        graph = np.zeros((n_qubits, n_qubits))
        graph[pair[:, 0], pair[:, 1]] = graph[pair[:, 1], pair[:, 0]] = 1.0
        degree = np.maximum(graph.sum(axis=1), 1.0)
        laplacian = (np.diag(graph.sum(axis=1)) - graph) / np.sqrt(np.outer(degree, degree))
        _, waves = np.linalg.eigh(laplacian)
        flat = _relaxed(waves[:, 1:3] / np.sqrt(degree)[:, None], graph)
    low, span = flat.min(axis=0), np.ptp(flat, axis=0)
    scaled = _MARGIN + (flat - low) / np.where(span > 0, span, 1.0) * (_SIDE - 2 * _MARGIN)
    return [(float(x), float(y)) for x, y in scaled]


def _relaxed(flat: np.ndarray, graph: np.ndarray) -> np.ndarray:
    """Moved until places are as far apart as their qubits are steps apart: at the rim waves put them on each other.

    Stress majorisation (Gansner, Koren, North 2004) from where the waves put them.
    """
    n = len(graph)
    if n > MAX_RELAXED_QUBITS:
        return flat
    steps = np.where(graph > 0, 1.0, np.inf)
    np.fill_diagonal(steps, 0.0)
    for middle in range(n):
        np.minimum(steps, steps[:, middle, None] + steps[None, middle, :], out=steps)
    # Parts that nothing connects stand beside each other.
    steps[np.isinf(steps)] = steps[np.isfinite(steps)].max() + 1.0
    weights = 1.0 / np.where(steps > 0, steps, 1.0) ** 2
    np.fill_diagonal(weights, 0.0)
    inverse = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    flat = flat * (steps.max() / max(float(np.ptp(flat)), 1e-12))
    for _ in range(RELAXING_ROUNDS):
        apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
        pull = -weights * steps / np.maximum(apart, 1e-9)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(axis=1))
        flat = inverse @ (pull @ flat)
    return flat


def _shades(values: np.ndarray, faulty: np.ndarray) -> list[str]:
    """By rank of the logarithm between the best and the worst that works; grey where nothing is known."""
    good = values[~faulty & (values > 0)]
    if not good.size:
        return ["#bbb" if bad or math.isnan(value) else _rgb(0.0) for value, bad in zip(values, faulty, strict=True)]
    low, high = math.log(float(good.min())), math.log(float(good.max()))
    found = []
    for value, bad in zip(values.tolist(), faulty.tolist(), strict=True):
        if bad or math.isnan(value):
            found.append("#bbb")
        else:
            log = math.log(value) if value > 0 else low
            found.append(_rgb((log - low) / (high - low) if high > low else 0.0))
    return found


def _rgb(share: float) -> str:
    at = min(max(share, 0.0), 1.0) * (len(_SHADES) - 1)
    low = min(int(at), len(_SHADES) - 2)
    mixed = [round(a + (b - a) * (at - low)) for a, b in zip(_SHADES[low], _SHADES[low + 1], strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _legend(device: DeviceModel) -> tuple[str, str]:
    known = device.calibration
    date = np.datetime64(known.calibrated_at_ns, "ns").astype("datetime64[D]")
    readout, two_qubit = _percent(known.median("readout_error")), _percent(known.median("two_qubit_error"))
    return (
        f"{device.name}, calibrated {date}: readout {readout}, two-qubit {two_qubit} (medians)",
        "couplers by two-qubit error, qubits by readout error: dark is worse, dashed is masked",
    )


def _times(first_ns: int, last_ns: int) -> str:
    """From when to when: by the minute where it is a day or two, else by the day."""
    unit = "m" if last_ns - first_ns < _BY_THE_MINUTE_NS else "D"
    first, last = (str(np.datetime64(at, "ns").astype(f"datetime64[{unit}]")) for at in (first_ns, last_ns))
    told = first if first == last else f"{first} to {last}"
    return told.replace("T", " ") + (" UTC" if unit == "m" else "")


def _percent(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{100 * value:.3g} %"


def _us(ns: float) -> str:
    return "unknown" if math.isnan(ns) else f"{ns / 1e3:.4g} µs"
