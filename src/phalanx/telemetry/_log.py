"""Structured logs: an event in words, and fields. Nothing is formatted before a sink asks.

A call below the threshold costs one comparison. A call above it hands the sink a record
whose fields are still the values they were given.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from phalanx.core import Clock, InvalidInput


class Level(IntEnum):
    """How much a record matters; a logger drops what is below its threshold."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40

    @classmethod
    def named(cls, name: str) -> "Level":
        """The level a setting names; raises ``InvalidInput`` for any other word."""
        try:
            return cls[name.upper()]
        except KeyError:
            known = ", ".join(level.name.lower() for level in cls)
            raise InvalidInput("log level", f"{name!r} is none of {known}") from None


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One logged event. ``fields`` are unformatted; a sink decides how to show them."""

    at_ns: int
    level: Level
    event: str
    fields: Mapping[str, Any]


LogSink = Callable[[LogRecord], None]


def discard(record: LogRecord, /) -> None:
    """The sink of whoever wants no logs."""


class Logger:
    """Writes records to one sink. ``bind`` gives a logger that adds fields to each record."""

    __slots__ = ("_bound", "_clock", "_sink", "_threshold")

    def __init__(self, clock: Clock, sink: LogSink, threshold: Level, bound: Mapping[str, Any] | None = None) -> None:
        self._clock = clock
        self._sink = sink
        self._threshold = threshold
        self._bound = dict(bound or {})

    def bind(self, **fields: Any) -> "Logger":
        return Logger(self._clock, self._sink, self._threshold, self._bound | fields)

    def debug(self, event: str, /, **fields: Any) -> None:
        if self._threshold <= Level.DEBUG:
            self._write(Level.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        if self._threshold <= Level.INFO:
            self._write(Level.INFO, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        if self._threshold <= Level.WARNING:
            self._write(Level.WARNING, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        if self._threshold <= Level.ERROR:
            self._write(Level.ERROR, event, fields)

    def _write(self, level: Level, event: str, fields: dict[str, Any]) -> None:
        self._sink(LogRecord(self._clock.wall_ns(), level, event, self._bound | fields if self._bound else fields))
