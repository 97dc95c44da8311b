"""Functions that workers may be asked for by name.

No code ever travels: a worker looks a name up among the functions of the package and of the plug-ins installed
where it is, and decodes arguments as the function's annotated types. Functions whose source differs between node
and worker have different digests, and are not requested.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec

from phalanx.core import InvalidInput
from phalanx.workflows.workers._limits import MAX_PIECE_BYTES

_packed = msgspec.msgpack.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Function:
    """A pure function at module level under a name: ``takes`` and ``gives`` are what it is annotated with."""

    name: str
    call: Callable[..., Any]
    takes: tuple[Any, ...]
    gives: Any
    digest: str

    def packed(self, args: tuple[Any, ...]) -> bytes | None:
        """Arguments as they travel; ``None`` for what cannot be told or is too big."""
        return _within(args) if len(args) == len(self.takes) else None

    def arguments(self, packed: bytes) -> tuple[Any, ...]:
        """Raises ``InvalidInput`` for what is not of the annotated types."""
        try:
            found: tuple[Any, ...] = msgspec.msgpack.decode(packed, type=tuple[self.takes])  # type: ignore[name-defined]
        except msgspec.DecodeError as error:
            raise InvalidInput(f"arguments of {self.name}", str(error)) from error
        return found

    def packed_result(self, value: Any) -> bytes:
        """Raises ``InvalidInput`` for what cannot be told or is too big."""
        packed = _within(value)
        if packed is None:
            raise InvalidInput(f"result of {self.name}", f"it cannot be told within {MAX_PIECE_BYTES} bytes")
        return packed

    def result(self, packed: bytes) -> Any:
        """Raises ``InvalidInput`` for what is not of the annotated type."""
        try:
            return msgspec.msgpack.decode(packed, type=self.gives)
        except msgspec.DecodeError as error:
            raise InvalidInput(f"result of {self.name}", str(error)) from error


def _within(value: Any) -> bytes | None:
    try:
        packed = _packed.encode(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return packed if len(packed) <= MAX_PIECE_BYTES else None


def function_named(name: str, call: Callable[..., Any]) -> Function:
    """Raises ``InvalidInput`` unless ``call`` is a plain function that says what it takes and gives."""
    if not inspect.isfunction(call) or inspect.iscoroutinefunction(call) or "<" in call.__qualname__:
        raise InvalidInput("function", f"{name!r} is no plain function of a module")
    hints = get_type_hints(call)
    parameters = list(inspect.signature(call).parameters.values())
    missing = [one.name for one in parameters if one.name not in hints or one.kind is not one.POSITIONAL_OR_KEYWORD]
    if missing or hints.get("return") in (None, type(None), Any):
        raise InvalidInput("function", f"{name!r} does not say of what type are: {', '.join(missing) or 'its results'}")
    try:
        text = inspect.getsource(call)
    except OSError:
        text = repr(call.__code__.co_code)
    digest = hashlib.sha256(f"{name}\n{text}".encode()).hexdigest()[:16]
    return Function(name, call, tuple(hints[one.name] for one in parameters), hints["return"], digest)


class Functions:
    """All that can be asked for, by name and by function."""

    def __init__(self, functions: Iterable[Function] = ()) -> None:
        self._by_name: dict[str, Function] = {}
        self._by_call: dict[Callable[..., Any], Function] = {}
        for one in functions:
            self.add(one)

    def add(self, function: Function) -> None:
        """One more, instead of the one of its name."""
        self._by_name[function.name] = function
        self._by_call[function.call] = function

    def of(self, call: Callable[..., Any]) -> Function | None:
        """What ``call`` is known as, if it is."""
        try:
            return self._by_call.get(call)
        except TypeError:
            return None

    def named(self, name: str) -> Function | None:
        return self._by_name.get(name)

    @property
    def all(self) -> tuple[Function, ...]:
        return tuple(self._by_name.values())

    @property
    def digests(self) -> Mapping[str, str]:
        """By name, what tells whether two machines mean the same."""
        return {name: one.digest for name, one in sorted(self._by_name.items())}
