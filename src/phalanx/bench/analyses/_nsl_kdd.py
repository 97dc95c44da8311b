"""NSL-KDD, whose rows others labelled, as numbers. The data set is public and not ours to ship."""

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TRAIN, TEST, HARD = "KDDTrain+.txt", "KDDTest+.txt", "KDDTest-21.txt"
# The same rows as ``TRAIN``, whose attacks have no names.
_REBUILT = "KDDTrain+_reconstructed_binary.csv.gz"
_SYMBOLIC = (1, 2, 3)
_FEATURES = 41


class Rows(NamedTuple):
    """Feature rows with one column per symbol, and whether each is an attack."""

    x: NDArray[np.float64]
    attack: NDArray[np.bool_]


class Coding:
    """Symbols as columns of their own; what training never saw has none."""

    def __init__(self, lines: Sequence[Sequence[str]]) -> None:
        self._symbols = [
            (column, symbol) for column in _SYMBOLIC for symbol in sorted({line[column] for line in lines})
        ]
        self._numbers = [column for column in range(_FEATURES) if column not in _SYMBOLIC]
        self.names = [f"feature-{column}" for column in self._numbers] + [
            f"{c}={symbol}" for c, symbol in self._symbols
        ]

    def rows(self, lines: Sequence[Sequence[str]], attack: Sequence[bool]) -> Rows:
        numbers = np.array([[float(line[column]) for column in self._numbers] for line in lines])
        place = {known: column for column, known in enumerate(self._symbols)}
        symbols = np.zeros((len(lines), len(self._symbols)))
        for row, line in enumerate(lines):
            for column in _SYMBOLIC:
                if (at := place.get((column, line[column]))) is not None:
                    symbols[row, at] = 1.0
        return Rows(np.hstack((numbers, symbols)), np.array(attack, bool))


def train_lines(folder: Path) -> tuple[list[list[str]], list[bool]]:
    """The lines of Train+, and which are attacks."""
    if (folder / TRAIN).is_file():
        return test_lines(folder / TRAIN)
    with gzip.open(folder / _REBUILT, "rt", encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))[1:]
    return lines, [line[_FEATURES] == "1" for line in lines]


def test_lines(path: Path) -> tuple[list[list[str]], list[bool]]:
    """The lines of a file as it was published, and which are attacks."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    return lines, [line[_FEATURES] != "normal" for line in lines]
