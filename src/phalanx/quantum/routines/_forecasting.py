"""What comes next in a series: a quantum reservoir beside an echo state network, autoregression and "as it was".

A reservoir (Fujii and Nakajima, Phys. Rev. Applied 8, 2017) is a small system of interacting spins. Each value of the
series is put into its first spin, which forgets what it was; then the system evolves for a while. Means of spins and of
pairs, at several moments, are features; only a linear readout is learned. The system is a density matrix, because
forgetting mixes it. All readouts are ridge regressions with the same ridge, chosen on the end of what is trained on.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from phalanx.core import Baseline, InvalidInput, LimitExceeded, Rng
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._limits import MAX_SERIES

_SPINS, _MOMENTS, _STEP = 5, 4, 10.0
_WASHOUT = 20
_RIDGES = (1e-6, 1e-4, 1e-2, 1.0)
_LAGS = 8
_LEAST = 80
_UNIT = "numbers of each readout"
_CLAIM = (
    "a small quantum system simulated by a larger classical one; on series like these an echo state network as large "
    "and plain autoregression do as well, and often what was last seen does"
)

Series = npt.NDArray[np.float64]


def forecast(series: Sequence[float], *, seed: int) -> Answer:
    """The next value of a series, and how far each method was off on its last third. Simulated.

    Raises ``InvalidInput`` for a series that is too short or not finite.
    """
    values, scaled, train, low, high = _scaled(series)
    rng = Rng(seed).child("reservoir")
    reservoir = quantum_features(scaled, rng.child("quantum"))
    echo = _echo_features(scaled, reservoir.shape[1], rng.child("echo"))
    lagged = _lagged(scaled)
    following: dict[str, float] = {}
    off: dict[str, float] = {"as it was": _off(scaled[train - 1 : -1], scaled[train:])}
    for name, features in (("reservoir", reservoir), ("echo state network", echo), ("autoregression", lagged)):
        told, following[name] = _read_out(features, scaled, train)
        off[name] = _off(told, scaled[train:])
    scale = float((high - low) or 1.0)
    classical = tuple(
        Baseline(method=name, value=off[name] * scale, error=0.0, cost=cost, cost_unit=_UNIT)
        for name, cost in (("as it was", 1), ("autoregression", _LAGS), ("echo state network", echo.shape[1]))
    )
    return Answer(
        routine="threat-forecast",
        found={
            "next": float(low + following["reservoir"] * scale), "mean_off": {k: v * scale for k, v in off.items()},
            "next_by": {name: float(low + value * scale) for name, value in following.items()},
            "judged": len(values) - train,
        },
        quantum=Baseline(
            method=f"reservoir of {_SPINS} spins", value=off["reservoir"] * scale, error=0.0, cost=reservoir.shape[1],
            cost_unit=_UNIT,
        ),
        classical=classical, agrees=off["reservoir"] <= min(one.value for one in classical) / scale + 1e-12,
        claim=_CLAIM, provenance=simulated(seed, classical),
    )  # fmt: skip


def autoregressed(series: Sequence[float]) -> tuple[float, float]:
    """The next value by autoregression alone, and how far it was off on the last third."""
    _, scaled, train, low, high = _scaled(series)
    told, following = _read_out(_lagged(scaled), scaled, train)
    scale = float((high - low) or 1.0)
    return float(low + following * scale), _off(told, scaled[train:]) * scale


def _scaled(series: Sequence[float]) -> tuple[Series, Series, int, float, float]:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or len(values) < _LEAST or not np.isfinite(values).all():
        raise InvalidInput("series", f"{_LEAST} finite numbers at least")
    if len(values) > MAX_SERIES:
        raise LimitExceeded("values of a series", maximum=MAX_SERIES, seen=len(values))
    train = 2 * len(values) // 3
    low, high = float(values[:train].min()), float(values[:train].max())
    return values, (values - low) / ((high - low) or 1.0), train, low, high


def _lagged(scaled: Series) -> npt.NDArray[np.float64]:
    return np.stack([np.concatenate([np.full(lag, scaled[0]), scaled[: len(scaled) - lag]]) for lag in range(_LAGS)], 1)


def quantum_features(scaled: Series, rng: Rng) -> npt.NDArray[np.float64]:
    """(values, features): the reservoir after each value, which lies in [0, 1]; others are cut to that."""
    size = 1 << _SPINS
    turn = _evolution(rng, _STEP / _MOMENTS)
    back = turn.conj().T
    signs = np.array([[1 - 2 * (index >> (_SPINS - 1 - q) & 1) for index in range(size)] for q in range(_SPINS)])
    watched = np.concatenate([signs, [signs[j] * signs[k] for j in range(_SPINS) for k in range(j + 1, _SPINS)]])
    state = np.eye(size, dtype=np.complex128) / size
    made = np.empty((len(scaled), _MOMENTS * len(watched)))
    for at, value in enumerate(np.clip(scaled, 0, 1)):
        # The first spin is thrown away and prepared anew with this chance of being one.
        rest = np.einsum("iaib->ab", state.reshape(2, size // 2, 2, size // 2))
        amplitude = np.array([np.sqrt(1 - value), np.sqrt(value)])
        state = np.kron(np.outer(amplitude, amplitude), rest)
        told = []
        for _ in range(_MOMENTS):
            state = turn @ state @ back
            told.append(watched @ np.real(np.diag(state)))
        made[at] = np.concatenate(told)
    return made


def _evolution(rng: Rng, time: float) -> npt.NDArray[np.complex128]:
    """exp(−iHt) of spins in a transverse field that are coupled at random, all with all."""
    size = 1 << _SPINS
    flip, sign = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
    energy = np.zeros((size, size))
    for j in range(_SPINS):
        energy += 0.5 * _on({j: sign})
        for k in range(j + 1, _SPINS):
            energy += rng.uniform(-0.5, 0.5) * _on({j: flip, k: flip})
    levels, states = np.linalg.eigh(energy)
    return np.asarray((states * np.exp(-1j * levels * time)) @ states.T)


def _on(gates: dict[int, npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    whole: npt.NDArray[np.float64] = np.ones((1, 1))
    for q in range(_SPINS):
        whole = np.asarray(np.kron(whole, gates.get(q, np.eye(2))))
    return whole


def _echo_features(scaled: Series, size: int, rng: Rng) -> npt.NDArray[np.float64]:
    """A random network of as many features, with spectral radius 0.9 (Jaeger 2001)."""
    draw = rng.numpy()
    inner = draw.normal(size=(size, size))
    inner *= 0.9 / np.abs(np.linalg.eigvals(inner)).max()
    outer, bias = draw.uniform(-1, 1, size), draw.uniform(-0.5, 0.5, size)
    made, state = np.empty((len(scaled), size)), np.zeros(size)
    for at, value in enumerate(scaled):
        state = np.tanh(inner @ state + outer * value + bias)
        made[at] = state
    return made


def _read_out(features: npt.NDArray[np.float64], scaled: Series, train: int) -> tuple[Series, float]:
    """What a linear readout says of the values from ``train`` on, each from what came before it, and of the next."""
    rows = np.hstack([features, np.ones((len(features), 1))])
    fit = slice(_WASHOUT, train - 1)
    cut = _WASHOUT + 4 * (train - 1 - _WASHOUT) // 5

    def weights(of: slice, ridge: float) -> npt.NDArray[np.float64]:
        x, y = rows[of], scaled[of.start + 1 : of.stop + 1]
        return np.asarray(np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y))

    def held_out(ridge: float) -> float:
        told = rows[cut : train - 1] @ weights(slice(_WASHOUT, cut), ridge)
        return _off(told, scaled[cut + 1 : train])

    learned = weights(fit, min(_RIDGES, key=held_out))
    told = rows[train - 1 :] @ learned
    return told[:-1], float(told[-1])


def _off(told: Series, so: Series) -> float:
    """The root of the mean squared error."""
    return float(np.sqrt(np.mean((told - so) ** 2)))
