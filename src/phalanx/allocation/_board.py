"""What is known of all devices now, as one array that kernels read: a column for each device.

Load and calibration are written here when they change and read at every decision; nothing is kept per circuit. A
decision never waits for a lock: board and kernels belong to one event loop.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.allocation._limits import MAX_DEVICES
from phalanx.core import InvalidInput, LimitExceeded, NotFound

(
    QUBITS, FIDELITY, COHERENCE_NS, DEGREE, LOG_ONE, LOG_TWO, LOG_READOUT, ONE_NS, TWO_NS, READOUT_NS, DECAY_PER_NS,
    LOAD, WAIT_S, OPEN, PRICE_FIXED, PRICE_SHOT, PRICE_ONE, PRICE_TWO, PRICE_SECOND, SHOT_S, MAX_SHOTS, FEATURES,
    REGION,
) = range(23)  # fmt: skip
ROWS = 23
MAX_REGIONS = 50  # bits that a float64 holds exactly


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One device as it stands: medians over what works, its queue and its prices. Unknown errors are NaN.

    ``load`` is the share of time that it is busy, ``wait_s`` what new work waits. Prices add up: each job, each shot,
    each one- and two-qubit gate of a shot, each second; ``shot_s`` is what one shot takes besides its gates.
    """

    name: str
    n_qubits: int
    one_qubit_error: float = 0.0
    two_qubit_error: float = 0.0
    readout_error: float = 0.0
    one_qubit_ns: float = 0.0
    two_qubit_ns: float = 0.0
    readout_ns: float = 0.0
    t1_ns: float = math.inf
    t2_ns: float = math.inf
    degree: float = math.inf
    load: float = 0.0
    wait_s: float = 0.0
    is_open: bool = True
    price_fixed: float = 0.0
    price_shot: float = 0.0
    price_one: float = 0.0
    price_two: float = 0.0
    price_second: float = 0.0
    shot_s: float = 0.0
    max_shots: int = 1 << 40
    features: int = 0
    region: str = "local"


class Board:
    """The devices of a node as kernels see them; places are indices into ``names``."""

    def __init__(self, standings: Sequence[Standing] = ()) -> None:
        if len(standings) > MAX_DEVICES:
            raise LimitExceeded("the devices of a board", maximum=MAX_DEVICES, seen=len(standings))
        self.names = tuple(one.name for one in standings)
        self._place = {name: at for at, name in enumerate(self.names)}
        if len(self._place) < len(self.names):
            raise InvalidInput("devices", "two have one name")
        self.rows: npt.NDArray[np.float64] = np.zeros((ROWS, len(standings)))
        self._regions: dict[str, int] = {}
        for one in standings:
            self.put(one)

    def copy(self) -> "Board":
        """As it is now, for who reads it elsewhere while this one goes on changing."""
        made = Board()
        made.names, made._place, made._regions = self.names, self._place, dict(self._regions)
        made.rows = self.rows.copy()
        return made

    def place(self, name: str) -> int:
        """Raises ``NotFound``."""
        if name not in self._place:
            raise NotFound("device", name)
        return self._place[name]

    def put(self, one: Standing) -> None:
        """Everything of a device anew: after a calibration, or when its prices change."""
        with np.errstate(divide="ignore", invalid="ignore"):
            decay = 0.5 * (1.0 / one.t1_ns + 1.0 / one.t2_ns)
        self.rows[:, self.place(one.name)] = (
            one.n_qubits,
            (1.0 - _known(one.one_qubit_error))
            * (1.0 - _known(one.two_qubit_error))
            * (1.0 - _known(one.readout_error)),
            min(_finite(one.t1_ns), _finite(one.t2_ns)),
            one.degree,
            _log(one.one_qubit_error),
            _log(one.two_qubit_error),
            _log(one.readout_error),
            _known(one.one_qubit_ns),
            _known(one.two_qubit_ns),
            _known(one.readout_ns),
            _known(decay),
            one.load,
            one.wait_s,
            one.is_open,
            one.price_fixed,
            one.price_shot,
            one.price_one,
            one.price_two,
            one.price_second,
            one.shot_s,
            one.max_shots,
            one.features,
            self._region(one.region),
        )

    def set_load(self, name: str, load: float, wait_s: float) -> None:
        """What is going on at a device now: the share of its time that is taken, and how long new work waits."""
        place = self.place(name)
        self.rows[LOAD, place], self.rows[WAIT_S, place] = load, wait_s

    def wait_s(self, name: str) -> float:
        """How long new work waits there, as was told last."""
        return float(self.rows[WAIT_S, self.place(name)])

    def set_open(self, name: str, *, is_open: bool) -> None:
        """Whether it is given work at all."""
        self.rows[OPEN, self.place(name)] = is_open

    def regions(self, wanted: frozenset[str]) -> float:
        """Which of the board's regions are among ``wanted``, as bits; 0 stands for anywhere, -1 for none of them."""
        if not wanted:
            return 0.0
        return float(sum(self._regions.get(name, 0) for name in wanted) or -1)

    def _region(self, name: str) -> int:
        if name not in self._regions and len(self._regions) >= MAX_REGIONS:
            raise LimitExceeded("the regions of a board", maximum=MAX_REGIONS, seen=len(self._regions) + 1)
        return self._regions.setdefault(name, 1 << len(self._regions))


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _finite(value: float) -> float:
    """A coherence time that nobody states is none that could be short."""
    return math.inf if math.isnan(value) else value


def _log(error: float) -> float:
    """Of the chance that one operation works. What has an error of one counts as one in a million, not as never."""
    return math.log(max(1e-6, 1.0 - _known(error)))
