"""The error root and the errors that more than one room raises.

Every error carries its context as attributes, so that a caller can act on it,
and a message for a person: what was wrong, where, and what to do.
"""

from typing import Any, ClassVar


class PhalanxError(Exception):
    """Root of everything that Phalanx raises on purpose.

    ``code`` is stable and machine-readable: it is the last part of the problem
    type in the API and is listed in the reference. ``hint`` says what to do.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = context
        for name, value in context.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors come back whole from the processes that work is given to; one that did not would break them all."""
        return _as_it_was, (type(self), self.args), self.__dict__


def _as_it_was(kind: type[PhalanxError], args: tuple[Any, ...]) -> PhalanxError:
    """Without ``__init__``, whose arguments are each error's own and are in its attributes."""
    return kind.__new__(kind, *args)


class InvalidInput(PhalanxError):
    """Input from outside is not acceptable. Attributes: ``field``, ``reason``."""

    code = "invalid-input"
    field: str
    reason: str

    def __init__(self, field: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{field}: {reason}", hint=hint, field=field, reason=reason)


class NotFound(PhalanxError):
    """What was asked for does not exist. Attributes: ``what``, ``key``."""

    code = "not-found"
    what: str
    key: str

    def __init__(self, what: str, key: str, *, hint: str = "") -> None:
        super().__init__(f"there is no {what} {key!r}", hint=hint, what=what, key=key)


class LimitExceeded(PhalanxError):
    """A named bound was reached. Attributes: ``limit``, ``maximum``, ``seen``."""

    code = "limit-exceeded"
    limit: str
    maximum: int
    seen: int

    def __init__(self, limit: str, *, maximum: int, seen: int, hint: str = "") -> None:
        super().__init__(
            f"{limit} is limited to {maximum}, got {seen}",
            hint=hint,
            limit=limit,
            maximum=maximum,
            seen=seen,
        )


class Overloaded(PhalanxError):
    """Something bounded is currently full. Attributes: ``what``, ``retry_after_s``."""

    code = "overloaded"
    what: str
    retry_after_s: int

    def __init__(self, what: str, *, retry_after_s: int) -> None:
        super().__init__(
            f"{what} is full",
            hint=f"send it again in {retry_after_s} s",
            what=what,
            retry_after_s=retry_after_s,
        )


class Unavailable(PhalanxError):
    """Something needed is not available now (a missing extra, a stopped service). ``what``."""

    code = "unavailable"
    what: str
    reason: str

    def __init__(self, what: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{what} is not available: {reason}", hint=hint, what=what, reason=reason)


class StorageError(PhalanxError):
    """Root of what the durable ports raise."""

    code = "storage"


class StorageFull(StorageError):
    """The disk or the quota is full. Nothing of the write was kept. Attribute: ``where``."""

    code = "storage-full"
    where: str

    def __init__(self, where: str) -> None:
        super().__init__(
            f"no space left for {where}; the write was undone",
            hint="free space or raise the quota; the node keeps serving reads and resumes writing by itself",
            where=where,
        )


class StorageCorrupt(StorageError):
    """Stored bytes are not what was written. Attributes: ``where``, ``position``."""

    code = "storage-corrupt"
    where: str
    position: int
    reason: str

    def __init__(self, where: str, position: int, reason: str) -> None:
        super().__init__(
            f"{where} is damaged at {position}: {reason}",
            hint="restore from a backup; nothing after the damage can be trusted",
            where=where,
            position=position,
            reason=reason,
        )


class Conflict(StorageError):
    """Somebody else wrote the row first. Attributes: ``table``, ``key``."""

    code = "conflict"
    table: str
    key: str
    expected: int
    found: int

    def __init__(self, table: str, key: str, *, expected: int, found: int) -> None:
        super().__init__(
            f"{table}/{key} is at version {found}, not {expected}",
            table=table,
            key=key,
            expected=expected,
            found=found,
        )


class WireError(PhalanxError):
    """Bytes are not the record they should be. Attributes: ``kind``, ``reason``."""

    code = "wire"
    kind: str
    reason: str

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"not a valid {kind}: {reason}", kind=kind, reason=reason)


class UnknownField(WireError):
    """A record of a version we know has a field we do not."""

    code = "unknown-field"


class FutureVersion(WireError):
    """A record was written by a newer Phalanx. Attributes: ``seen``, ``known``."""

    code = "future-version"
    seen: int
    known: int

    def __init__(self, kind: str, *, seen: int, known: int) -> None:
        super().__init__(kind, f"version {seen} was written by a newer Phalanx (this one knows {known})")
        self.seen = seen
        self.known = known
        self.hint = "upgrade this node first: readers are upgraded before writers"
