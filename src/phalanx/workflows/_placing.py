"""What a quantum step asks for: how it is answered, where its circuits go, and what they may cost."""

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from phalanx.core import InvalidInput, Origin
from phalanx.devices import check_treatment

if TYPE_CHECKING:
    from phalanx.allocation.routing import Aims

BEST = "best"


class Mode(StrEnum):
    """Who answers a quantum step: its circuits, its classical fallback, or whichever is expected to lose less."""

    QUANTUM = "quantum"
    CLASSICAL = "classical"
    AUTO = "auto"


class Criticality(StrEnum):
    """How much hangs on a step. What is critical books as an emergency, what is routine makes room for others."""

    ROUTINE = "routine"
    NORMAL = "normal"
    CRITICAL = "critical"


class OverSpent(StrEnum):
    """What becomes of a step that nobody may pay for: its classical fallback answers, or it is refused."""

    CLASSICAL = "classical"
    REFUSE = "refuse"


class Placing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Empty words and zeros ask for nothing. Raises ``InvalidInput``, which names the field.

    ``device`` names one, ``results`` a kind of them; ``fidelity`` is the least that is of use. ``budget`` is the most
    that the circuits of the step may cost together. ``fresh_s`` is how old a calibration may be. ``coherence`` is a
    strategy of ``quantum.coherence.NAMES``, or ``best``; ``mitigate`` as ``Mitigation.read`` reads it, where ``zne``
    and ``pec`` are for steps that ask for means.

    For ``auto``: ``worth`` is that of a right answer and ``hour`` what an hour of waiting costs, as for ``Aims``;
    ``classical_fidelity`` is how good the fallback is, and ``classical_s`` how long it takes until that was seen.
    """

    mode: Mode = Mode.QUANTUM
    device: str = ""
    results: str = ""
    fidelity: float = 0.0
    budget: float = 0.0
    over_budget: OverSpent = OverSpent.CLASSICAL
    criticality: Criticality = Criticality.NORMAL
    fresh_s: float = 0.0
    coherence: str = ""
    mitigate: str = ""
    worth: float = 1.0
    hour: float = 0.1
    classical_fidelity: float = 1.0
    classical_s: float = 0.01

    def __post_init__(self) -> None:
        if self.results and self.results not in {one.value for one in Origin}:
            raise InvalidInput("results", f"{self.results!r} is none of {', '.join(one.value for one in Origin)}")
        if self.device and self.results:
            raise InvalidInput("results", f"are those of {self.device}: name a device or a kind of results, not both")
        for name in ("budget", "fresh_s", "classical_s"):
            if not getattr(self, name) >= 0.0:  # also refuses NaN
                raise InvalidInput(name, f"0 at least, got {getattr(self, name):g}")
        if not 0.0 <= self.classical_fidelity <= 1.0:
            raise InvalidInput("classical_fidelity", f"{self.classical_fidelity} is not between 0 and 1")
        check_treatment(self.mitigate, "" if self.coherence == BEST else self.coherence, means=True)
        if self.mode is Mode.AUTO:
            self.aims(within_s=0.0, budget=0.0)

    @property
    def wants_means(self) -> bool:
        """Whether what mitigates gives means alone."""
        return any(one.strip().partition(":")[0] in ("zne", "pec") for one in self.mitigate.split(","))

    def aims(self, *, within_s: float, budget: float) -> "Aims":
        """What the router is asked for."""
        from phalanx.allocation.routing import Aims

        return Aims(fidelity=self.fidelity, within_s=within_s, budget=budget, worth=self.worth, hour=self.hour)


PLAIN = Placing()
