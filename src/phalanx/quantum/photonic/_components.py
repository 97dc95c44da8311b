"""What a linear-optical circuit is made of, and the matrix of each."""

import math
from typing import Literal

import msgspec
import numpy as np

from phalanx.core import InvalidInput
from phalanx.quantum.photonic._matrices import Matrix, beam_splitter, is_unitary


class BeamSplitter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind",
                   tag="beam-splitter"):  # fmt: skip
    """Two modes meet; cos²(θ/2) of the light stays in its mode. ``convention`` names the phases."""

    modes: tuple[int, int]
    theta: float = math.pi / 2
    convention: Literal["rx", "ry", "h"] = "rx"

    @property
    def at(self) -> tuple[int, ...]:
        return self.modes


class PhaseShifter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind",
                   tag="phase"):  # fmt: skip
    """The light of one mode turns by ``phi``."""

    mode: int
    phi: float

    @property
    def at(self) -> tuple[int, ...]:
        return (self.mode,)


class Permutation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind",
                  tag="permutation"):  # fmt: skip
    """The light of ``modes[k]`` goes on in mode ``to[k]``."""

    modes: tuple[int, ...]
    to: tuple[int, ...]

    @property
    def at(self) -> tuple[int, ...]:
        return self.modes


class Interferometer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind",
                     tag="unitary"):  # fmt: skip
    """A whole unitary on ``modes``: rows of (real, imaginary); column k is where the light of ``modes[k]`` goes."""

    modes: tuple[int, ...]
    matrix: tuple[tuple[tuple[float, float], ...], ...]

    @property
    def at(self) -> tuple[int, ...]:
        return self.modes


Component = BeamSplitter | PhaseShifter | Permutation | Interferometer


def interferometer(modes: tuple[int, ...], matrix: Matrix) -> Interferometer:
    """From an array."""
    rows = tuple(tuple((float(one.real), float(one.imag)) for one in row) for row in matrix)
    return Interferometer(modes=modes, matrix=rows)


def check_component(one: Component, n_modes: int, where: str) -> None:
    """Raises ``InvalidInput`` that names the field."""
    modes = one.at
    if not modes or len(set(modes)) != len(modes) or not all(0 <= mode < n_modes for mode in modes):
        field = "mode" if isinstance(one, PhaseShifter) else "modes"
        raise InvalidInput(f"{where}.{field}", f"are different modes below {n_modes}, not {list(modes)}")
    if isinstance(one, BeamSplitter) and not math.isfinite(one.theta):
        raise InvalidInput(f"{where}.theta", "is not finite")
    if isinstance(one, PhaseShifter) and not math.isfinite(one.phi):
        raise InvalidInput(f"{where}.phi", "is not finite")
    if isinstance(one, Permutation) and sorted(one.to) != sorted(modes):
        raise InvalidInput(f"{where}.to", "is not the same modes in another order")
    if isinstance(one, Interferometer):
        if len(one.matrix) != len(modes) or any(len(row) != len(modes) for row in one.matrix):
            raise InvalidInput(f"{where}.matrix", f"is not {len(modes)} rows of {len(modes)} numbers")
        made = matrix_of(one)
        if not np.isfinite(made).all() or not is_unitary(made):
            raise InvalidInput(f"{where}.matrix", "is not unitary: light would be lost or made")


def matrix_of(one: Component) -> Matrix:
    """Of the component on its own modes, in their order."""
    if isinstance(one, BeamSplitter):
        return beam_splitter(one.theta, one.convention)
    if isinstance(one, PhaseShifter):
        return np.array([[np.exp(1j * one.phi)]])
    if isinstance(one, Permutation):
        made = np.zeros((len(one.modes), len(one.modes)), np.complex128)
        for column, mode in enumerate(one.to):
            made[one.modes.index(mode), column] = 1.0
        return made
    return np.array([[complex(*number) for number in row] for row in one.matrix], np.complex128)
