"""Inputs of a run as given on the command line: values, or files of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phalanx.cli.quantum._answers import read_text
from phalanx.core import InvalidInput

_FIELD = "--input"
# Files of these kinds are lists, a value a line; others that are no data (a circuit, a note) are one text.
_OF_LINES = frozenset({"", ".txt", ".log", ".lst"})


def read_inputs(given: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE``, ``KEY=@FILE`` and ``@FILE``; later ones win. Raises ``InvalidInput``."""
    found: dict[str, Any] = {}
    for text in given:
        if text.startswith("@"):
            whole = _read(text[1:])
            if not isinstance(whole, dict) or not all(isinstance(key, str) for key in whole):
                raise InvalidInput(_FIELD, f"{text[1:]} has no names with values in it: name the input, KEY={text}")
            found |= whole
            continue
        key, sign, value = text.partition("=")
        if not (key and sign):
            raise InvalidInput(_FIELD, f"{text!r} is not KEY=VALUE")
        found[key] = _read(value[1:]) if value.startswith("@") else _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(name: str) -> Any:
    path = Path(name)
    kind = path.suffix.lower()
    if kind == ".json":
        return read_text(path, _FIELD, json.loads)
    if kind in (".yaml", ".yml"):
        return read_text(path, _FIELD, _yaml)
    if kind == ".csv":
        return read_text(path, _FIELD, lambda text: [_row(at, line) for at, line in enumerate(_lines(text), 1)])
    if kind in _OF_LINES:
        return read_text(path, _FIELD, _lines)
    return read_text(path, _FIELD, str)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _row(at: int, line: str) -> list[float]:
    try:
        return [float(one) for one in line.split(",")]
    except ValueError as error:
        raise ValueError(f"line {at}: {error}") from error


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
