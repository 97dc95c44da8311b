"""What is asked of a state: weighted products of Paulis, read from text, put into groups, and taken from counts."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum._gates import Op
from phalanx.quantum._limits import MAX_OBSERVABLE_TERMS

Pauli = tuple[tuple[int, str], ...]

_TERM = re.compile(r"([+-]?)\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*\*?\s*)?((?:[XYZ]\d+\s*)*)")
_FACTOR = re.compile(r"([XYZ])(\d+)")
_INTO_Z: Mapping[str, tuple[str, ...]] = {"X": ("h",), "Y": ("sdg", "h"), "Z": ()}


@dataclass(frozen=True, slots=True)
class Observable:
    """A sum of ``(weight, ((qubit, letter), …))``, the qubits of a product rising; the empty product is one."""

    terms: tuple[tuple[float, Pauli], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.terms) <= MAX_OBSERVABLE_TERMS:
            raise LimitExceeded("terms of an observable", maximum=MAX_OBSERVABLE_TERMS, seen=len(self.terms))
        for weight, pauli in self.terms:
            qubits = [qubit for qubit, _ in pauli]
            if not math.isfinite(weight) or qubits != sorted(set(qubits)) or any(p not in "XYZ" for _, p in pauli):
                raise InvalidInput("observable", "each term is a finite weight and one Pauli for each of its qubits")

    @classmethod
    def read(cls, text: str) -> "Observable":
        """``Z0 Z1 + 0.5*X2 - 1``. Raises ``InvalidInput`` that names the place."""
        terms: list[tuple[float, Pauli]] = []
        at = 0
        while at < len(text):
            found = _TERM.match(text, at)
            if found is None or found.end() == at or not (found[2] or found[3].strip()) or (terms and not found[1]):
                raise InvalidInput("observable", f"not a term like 0.5*Z0 Z1 at character {at + 1} of {text[:80]!r}")
            weight = float(found[2] or 1.0) * (-1.0 if found[1] == "-" else 1.0)
            factors = sorted((int(qubit), letter) for letter, qubit in _FACTOR.findall(found[3]))
            if len({qubit for qubit, _ in factors}) != len(factors):
                raise InvalidInput("observable", f"{found[3].strip()} names a qubit twice")
            terms.append((weight, tuple(factors)))
            at = found.end()
            while at < len(text) and text[at].isspace():
                at += 1
        if not terms:
            raise InvalidInput("observable", "it is empty")
        return cls(tuple(terms))

    @property
    def n_qubits(self) -> int:
        """How many qubits a circuit must have at least."""
        return 1 + max((qubit for _, pauli in self.terms for qubit, _ in pauli), default=0)

    def groups(self) -> list[list[int]]:
        """Places of terms that one circuit measures: those that ask for the same letter on each qubit they share."""
        found: list[tuple[dict[int, str], list[int]]] = []
        for place, (_, pauli) in enumerate(self.terms):
            if not pauli:
                continue
            for letters, places in found:
                if all(letters.get(qubit, letter) == letter for qubit, letter in pauli):
                    letters.update(pauli)
                    places.append(place)
                    break
            else:
                found.append((dict(pauli), [place]))
        return [places for _, places in found]

    def letters(self, places: Sequence[int]) -> dict[int, str]:
        """What is measured on each qubit, the qubits rising, for terms of one group."""
        return dict(sorted({qubit: letter for place in places for qubit, letter in self.terms[place][1]}.items()))

    @property
    def constant(self) -> float:
        return sum(weight for weight, pauli in self.terms if not pauli)

    @property
    def norm(self) -> float:
        """The sum of the weights' sizes: no value is larger."""
        return sum(abs(weight) for weight, _ in self.terms)

    def exact(self, state: npt.NDArray[np.complex128]) -> float:
        """The mean in a state of ``2^n`` amplitudes, qubit 0 leftmost."""
        return float(sum(weight * pauli_mean(state, pauli) for weight, pauli in self.terms))

    def matrix(self, n_qubits: int) -> npt.NDArray[np.complex128]:
        """(2^n, 2^n); for what is diagonalised."""
        whole = np.zeros((1 << n_qubits, 1 << n_qubits), dtype=np.complex128)
        columns = np.arange(1 << n_qubits)
        for weight, pauli in self.terms:
            rows, factors = _acts(pauli, n_qubits)
            whole[rows, columns] += weight * factors
        return whole

    def __str__(self) -> str:
        parts = [
            f"{'-' if weight < 0 else '+'} {_size_text(abs(weight), pauli)}{pauli_text(pauli)}"
            for weight, pauli in self.terms
        ]
        return " ".join(parts).removeprefix("+ ")


def _size_text(size: float, pauli: Pauli) -> str:
    return f"{size!r}" if not pauli else "" if size == 1 else f"{size!r}*"


def pauli_text(pauli: Pauli) -> str:
    return " ".join(f"{letter}{qubit}" for qubit, letter in pauli)


def pauli_mean(state: npt.NDArray[np.complex128], pauli: Pauli) -> float:
    """The mean of one product in a state."""
    n = state.size.bit_length() - 1
    rows, factors = _acts(pauli, n)
    return float(np.real(np.vdot(state[rows], factors * state)))


def _acts(pauli: Pauli, n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.complex128]]:
    """Where a product takes each basis state, and with what factor."""
    index = np.arange(1 << n)
    flips, factors = 0, np.ones(1 << n, dtype=np.complex128)
    for qubit, letter in pauli:
        if qubit >= n:
            raise InvalidInput("observable", f"names qubit {qubit} of {n}")
        sign = 1 - 2 * (index >> (n - 1 - qubit) & 1)
        if letter != "Z":
            flips |= 1 << (n - 1 - qubit)
        if letter == "Z":
            factors *= sign
        elif letter == "Y":
            factors *= 1j * sign
    return index ^ flips, factors


def into_z(letters: Mapping[int, str]) -> list[Op]:
    """The gates after which Z is what was asked of each qubit."""
    return [Op(name, (qubit,)) for qubit, letter in letters.items() for name in _INTO_Z[letter]]
