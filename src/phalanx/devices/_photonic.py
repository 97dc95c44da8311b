"""What a photonic machine allows in a program, what it does to photons, and what is shown beside its results. Pure."""

from dataclasses import dataclass

from phalanx.core import Baseline, InvalidInput, LimitExceeded
from phalanx.quantum.photonic import PhotonicProgram, Source, check_drawable, expected


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotonicLimits:
    """``most_in_mode`` photons may come in by one mode. ``threshold``: its detectors tell only that some photon came.

    The other figures are those of ``quantum.photonic.Source``; ``as_of_ns`` and ``source`` say where they are from.
    """

    modes: int
    photons: int
    most_in_mode: int = 1
    threshold: bool = True
    transmittance: float = 1.0
    indistinguishability: float = 1.0
    g2: float = 0.0
    brightness: float = 1.0
    as_of_ns: int = 0
    source: str = ""

    @property
    def light(self) -> Source:
        """What its photons are like."""
        return Source(
            transmittance=self.transmittance, indistinguishability=self.indistinguishability, g2=self.g2,
            brightness=self.brightness,
        )  # fmt: skip


def beyond_photonic(limits: PhotonicLimits, program: PhotonicProgram, name: str) -> list[Exception]:
    """What of ``program`` a machine called ``name`` does not allow, each as it would be raised."""
    found: list[Exception] = []
    if program.modes > limits.modes:
        found.append(LimitExceeded(f"modes of {name}", maximum=limits.modes, seen=program.modes))
    if program.n_photons > limits.photons:
        found.append(LimitExceeded(f"photons of {name}", maximum=limits.photons, seen=program.n_photons))
    if max(program.photons) > limits.most_in_mode:
        found.append(InvalidInput("program.photons", f"are at most {limits.most_in_mode} in a mode on {name}"))
    if limits.threshold and program.detectors != "threshold":
        why = f'is to be "threshold" on {name}, whose detectors tell only that some photon came'
        found.append(InvalidInput("program.detectors", why))
    return found


def too_much_to_draw(program: PhotonicProgram, shots: int) -> list[Exception]:
    """Why it is not drawn here, where it is too much."""
    try:
        check_drawable(program, shots)
    except LimitExceeded as error:
        return [error]
    return []


def photons_beside(limits: PhotonicLimits, program: PhotonicProgram, counts: dict[str, int]) -> tuple[Baseline, ...]:
    """How probable the outcome that came up most is, with the losses of the machine: exactly, and without interference.

    The second is what photons would do that are no waves: the difference is what was quantum about it. Nothing stands
    there where nothing was kept, or where an exact distribution is too much.
    """
    if not counts:
        return ()
    outcome = max(counts, key=lambda one: (counts[one], one))
    light, found = limits.light, []
    apart = Source(
        transmittance=light.transmittance, indistinguishability=0.0, g2=light.g2, brightness=light.brightness
    )
    for source, who in ((light, "photons as this machine sends them"), (apart, "photons that do not interfere")):
        try:
            exact = expected(program, source)
        except LimitExceeded:
            return ()
        method = f"probability of {outcome} among what is kept, exactly: {who}"
        found.append(
            Baseline(method=method, value=exact.among_kept(outcome), error=0.0, cost=exact.work, cost_unit="weights")
        )
    return tuple(found)
