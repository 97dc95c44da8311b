"""One photonic program as a value: photons, a linear-optical circuit, and which runs are kept."""

import hashlib
from functools import cached_property
from typing import Literal

import msgspec

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum._limits import MAX_COMPONENTS, MAX_MODES, MAX_PHOTONS, MAX_SOURCE_BYTES
from phalanx.quantum.photonic._components import Component, check_component, matrix_of
from phalanx.quantum.photonic._matrices import Matrix, on_modes

Detectors = Literal["number", "threshold"]


class Herald(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run is kept when ``mode`` shows exactly ``photons``: that is how it is known that something worked."""

    mode: int
    photons: int = 1


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run is kept when ``modes`` together show one of the numbers ``photons``."""

    modes: tuple[int, ...]
    photons: tuple[int, ...]


class PhotonicProgram(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """``photons`` go into each of ``modes`` modes, pass ``circuit`` in order, and are detected.

    ``detectors`` tell how many photons came, or only that some did. A run is kept when ``heralds`` and ``postselect``
    hold and at least ``min_detected`` photons (or clicks) were seen. ``rails`` are pairs of modes that spell bits, a
    photon in the first for 0 and in the second for 1; they change nothing about the run.
    """

    modes: int
    photons: tuple[int, ...]
    circuit: tuple[Component, ...] = ()
    heralds: tuple[Herald, ...] = ()
    postselect: tuple[Condition, ...] = ()
    detectors: Detectors = "number"
    min_detected: int = 0
    rails: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.modes <= MAX_MODES:
            raise LimitExceeded("modes of one program", maximum=MAX_MODES, seen=self.modes)
        if len(self.photons) != self.modes or min(self.photons) < 0:
            raise InvalidInput("program.photons", f"is a number for each of {self.modes} modes, 0 or more")
        if not self.n_photons:
            raise InvalidInput("program.photons", "has no photon")
        if self.n_photons > MAX_PHOTONS:
            raise LimitExceeded("photons of one program", maximum=MAX_PHOTONS, seen=self.n_photons)
        if len(self.circuit) > MAX_COMPONENTS:
            raise LimitExceeded("components of one circuit", maximum=MAX_COMPONENTS, seen=len(self.circuit))
        for at, one in enumerate(self.circuit):
            check_component(one, self.modes, f"program.circuit[{at}]")
        if not 0 <= self.min_detected <= self.n_photons:
            raise InvalidInput("program.min_detected", f"is from 0 to {self.n_photons}, the photons that are sent")
        self._check_kept()
        taken = [mode for pair in self.rails for mode in pair]
        if not self._are_modes(taken):
            raise InvalidInput("program.rails", f"are pairs of modes below {self.modes}, each in one pair at most")

    def _check_kept(self) -> None:
        if not self._are_modes([one.mode for one in self.heralds]):
            raise InvalidInput("program.heralds", f"are modes below {self.modes}, each once")
        for at, herald in enumerate(self.heralds):
            if not 0 <= herald.photons <= self._most(1):
                raise InvalidInput(f"program.heralds[{at}].photons", f"is from 0 to {self._most(1)}")
        for at, one in enumerate(self.postselect):
            where = f"program.postselect[{at}]"
            if not one.modes or not self._are_modes(list(one.modes)):
                raise InvalidInput(f"{where}.modes", f"are modes below {self.modes}, each once")
            most = self._most(len(one.modes))
            if not one.photons or not all(0 <= n <= most for n in one.photons):
                raise InvalidInput(f"{where}.photons", f"are numbers from 0 to {most}")

    def _most(self, n_modes: int) -> int:
        """What so many detectors can show at most."""
        return n_modes if self.detectors == "threshold" else self.n_photons

    def _are_modes(self, given: list[int]) -> bool:
        return len(set(given)) == len(given) and all(0 <= mode < self.modes for mode in given)

    @property
    def n_photons(self) -> int:
        return sum(self.photons)

    @cached_property
    def unitary(self) -> Matrix:
        """(m, m): column j is where the light of mode j goes."""
        return on_modes(self.modes, ((one.at, matrix_of(one)) for one in self.circuit))

    @cached_property
    def text(self) -> str:
        """The canonical JSON; ``read_photonic`` reads it."""
        return msgspec.json.encode(self).decode()

    @cached_property
    def digest(self) -> str:
        """Of the canonical JSON: equal programs have one."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def bits(self, outcome: str) -> str:
        """What ``outcome`` spells on the rails; ``-`` where not exactly one of a pair has a photon."""
        seen = [int(n) for n in outcome.split(",")]
        return "".join({(1, 0): "0", (0, 1): "1"}.get((seen[a], seen[b]), "-") for a, b in self.rails)


def read_photonic(text: str | bytes) -> PhotonicProgram:
    """The program of a JSON text. Raises ``InvalidInput``, ``LimitExceeded``."""
    if len(text) > MAX_SOURCE_BYTES:
        raise LimitExceeded("bytes of one program", maximum=MAX_SOURCE_BYTES, seen=len(text))
    try:
        return msgspec.json.decode(text, type=PhotonicProgram)
    except msgspec.MsgspecError as error:
        raise InvalidInput("program", str(error)) from error


def shown(seen: tuple[int, ...] | list[int]) -> str:
    """An outcome as text: the photons (or clicks) of each mode, ``1,0,2``."""
    return ",".join(map(str, seen))
