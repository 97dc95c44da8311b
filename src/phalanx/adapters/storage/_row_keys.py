"""What a row may be called, and which keys a listing runs over. Pure; shared by the SQL stores.

Python orders strings by code point, which is the order of their UTF-8 bytes, so intervals can
be worked out here and handed to any database that compares bytes.
"""

from phalanx.adapters._limits import MAX_KEY_BYTES
from phalanx.core import InvalidInput, LimitExceeded, Table, TenantId

_LAST_CHARACTER = "\U0010ffff"


def check_row(table: Table, tenant: TenantId, key: str) -> None:
    """Raises InvalidInput or LimitExceeded unless a row may be called that."""
    if not tenant or not key:
        raise InvalidInput(f"{table.name} {'key' if tenant else 'tenant'}", "it is empty")
    check_text(f"{table.name} tenant", tenant, MAX_KEY_BYTES)
    check_text(f"{table.name} key", key, MAX_KEY_BYTES)


def check_index(table: Table, index: str) -> None:
    if index not in table.indexes:
        raise InvalidInput(f"{table.name} index", f"{index!r} is not declared")


def check_text(what: str, text: str, maximum_bytes: int) -> None:
    try:
        seen = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput(what, "it cannot be written as UTF-8") from error
    if seen > maximum_bytes:
        raise LimitExceeded(f"{what} in bytes", maximum=maximum_bytes, seen=seen)


def interval(prefix: str, after: str, *, reverse: bool) -> tuple[str, str | None]:
    """The keys to list, as ``low <= key < high``; no ``high`` means to the end."""
    low, high = prefix, _past(prefix)
    if after and not reverse:
        # The next string in byte order is the same with a zero byte behind it.
        low = max(low, after + "\0")
    elif after:
        high = after if high is None else min(high, after)
    return low, high


def _past(prefix: str) -> str | None:
    """The first string behind all that begin with ``prefix``; None when there is none."""
    stem = prefix.rstrip(_LAST_CHARACTER)
    if not stem:
        return None
    # Surrogates are code points but not characters: the one behind U+D7FF is U+E000.
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)
