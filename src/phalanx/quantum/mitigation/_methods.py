"""Which mitigations are wanted, and what they cost, before anything is run."""

from dataclasses import dataclass, replace

from phalanx.core import InvalidInput, LimitExceeded, counted
from phalanx.quantum.emulation import SEQUENCES
from phalanx.quantum.mitigation._extrapolating import FITS, weights_of
from phalanx.quantum.mitigation._folding import FOLDINGS
from phalanx.quantum.mitigation._limits import (
    MAX_CANCELLING_CIRCUITS,
    MAX_CANCELLING_OVERHEAD,
    MAX_MITIGATED_SHOTS,
    MAX_SCALES,
    MAX_TWIRLS,
)

READOUTS = ("tensored", "observed")
NAMES = ("zne", "pec", "readout", "dd", "twirl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mitigation:
    """What is done against noise. Empty names and zeros mean: not this.

    ``zne`` extrapolates to no noise (a fit of ``FITS``) over ``scales``, made by ``folding``; ``cancelling`` is how
    many circuits are drawn to cancel errors by their opposites; ``readout`` undoes reading errors qubit by qubit
    (``tensored``) or on the outcomes seen (``observed``); ``decoupling`` is a sequence of ``SEQUENCES``; ``twirls`` is
    how many Pauli frames each circuit is drawn in.
    """

    zne: str = ""
    scales: tuple[float, ...] = (1.0, 3.0, 5.0)
    folding: str = "local"
    cancelling: int = 0
    readout: str = ""
    decoupling: str = ""
    twirls: int = 0

    def __post_init__(self) -> None:
        _among("zne", self.zne, FITS)
        _among("readout", self.readout, READOUTS)
        _among("decoupling", self.decoupling, tuple(SEQUENCES))
        _among("folding", self.folding, FOLDINGS)
        if self.zne and self.cancelling:
            raise InvalidInput("methods", "errors are extrapolated or cancelled, not both")
        if self.cancelling and self.decoupling:
            raise InvalidInput("methods", "what is cancelled is the noise of waiting; decoupling would change it")
        if self.zne and not (2 <= len(set(self.scales)) == len(self.scales) <= MAX_SCALES and min(self.scales) >= 1):
            raise InvalidInput("scales", f"2 to {MAX_SCALES} different ones from 1 on")
        if not 0 <= self.twirls <= MAX_TWIRLS:
            raise InvalidInput("twirls", f"lie in [0, {MAX_TWIRLS}], got {self.twirls}")
        if not 0 <= self.cancelling <= MAX_CANCELLING_CIRCUITS:
            raise InvalidInput("cancelling", f"lies in [0, {MAX_CANCELLING_CIRCUITS}], got {self.cancelling}")

    @classmethod
    def read(cls, text: str) -> "Mitigation":
        """``zne,readout,dd,twirl`` or ``pec``; more exactly ``zne:exponential,readout:observed,dd:xx,twirl:16``."""
        found = cls()
        for word in filter(None, (one.strip() for one in text.split(","))):
            name, _, value = word.partition(":")
            try:
                if name == "zne":
                    found = replace(found, zne=value or "linear")
                elif name == "pec":
                    found = replace(found, cancelling=int(value or 256))
                elif name == "readout":
                    found = replace(found, readout=value or "tensored")
                elif name == "dd":
                    found = replace(found, decoupling=value or "xy4")
                elif name == "twirl":
                    found = replace(found, twirls=int(value or 16))
                else:
                    raise InvalidInput("method", f"{word!r} is none of {', '.join(NAMES)}")
            except ValueError:
                raise InvalidInput("method", f"{word!r} needs a whole number after the colon") from None
        return found

    def __str__(self) -> str:
        parts = [
            f"zne {self.zne} of {len(self.scales)} scales, {self.folding} folding" if self.zne else "",
            f"errors cancelled by {self.cancelling} circuits" if self.cancelling else "",
            f"readout {self.readout}" if self.readout else "",
            f"decoupling {self.decoupling}" if self.decoupling else "",
            f"{self.twirls} Pauli frames" if self.twirls else "",
        ]
        return ", ".join(filter(None, parts))

    def __bool__(self) -> bool:
        return bool(self.zne or self.cancelling or self.readout or self.decoupling or self.twirls)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a mitigated mean takes. ``variance`` is how many times the plain variance it has at as many shots."""

    circuits: int
    shots: int
    plain_shots: int
    variance: float

    @property
    def times(self) -> float:
        return self.shots / self.plain_shots

    def told(self) -> str:
        spent = f"{counted(self.circuits, 'circuit')} and {counted(self.shots, 'shot')}"
        return (
            f"{spent}, {self.times:.3g} times those without; "
            f"the same precision needs {self.variance:.3g} times the shots"
        )


def cost_of(wanted: Mitigation, *, groups: int, shots: int, overhead: float = 1.0, force: bool = False) -> Cost:
    """For ``groups`` circuits of ``shots`` each. ``overhead`` is that of cancelling.

    Raises ``LimitExceeded`` where that is above its bound and not ``force``\\ d, and where shots are too many.
    """
    if overhead > MAX_CANCELLING_OVERHEAD and not force:
        raise LimitExceeded(
            "times as many shots to cancel errors", maximum=int(MAX_CANCELLING_OVERHEAD), seen=int(min(overhead, 1e18)),
            hint="take a shallower circuit, a better device, or zne; or force it",
        )  # fmt: skip
    strengths = len(wanted.scales) if wanted.zne else 1
    drawn = wanted.cancelling or max(1, wanted.twirls)
    circuits = groups * strengths * drawn + (2 * groups if wanted.readout else 0)
    taken = groups * strengths * shots + (2 * groups * shots if wanted.readout else 0)
    if taken > MAX_MITIGATED_SHOTS:
        raise LimitExceeded("shots of a mitigated mean", maximum=MAX_MITIGATED_SHOTS, seen=taken)
    variance = overhead
    if wanted.zne:
        fit = "linear" if wanted.zne == "exponential" else wanted.zne
        # Each scale has a share of the shots.
        variance = float((weights_of(wanted.scales, fit) ** 2).sum()) * strengths
    return Cost(circuits, taken, groups * shots, variance)


def _among(field: str, value: str, names: tuple[str, ...]) -> None:
    if value and value not in names:
        raise InvalidInput(field, f"{value!r} is none of {', '.join(names)}")
