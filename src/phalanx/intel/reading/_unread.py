"""Lines for what could not be made a line: no reader takes them, so their reason is seen in quarantine.

A listener writes one for a message that is too long, a reader of files for a record that is damaged.
"""

from typing import Final

from phalanx.intel._limits import MAX_CUT_HEAD_BYTES, MAX_EXCERPT_CHARS

UNREAD_MARK: Final = b"phalanx unread: "
_BEGINS = b"; it begins: "


def unread_line(reason: str, data: bytes) -> bytes:
    """The line, with how ``data`` begins."""
    head = data[:MAX_CUT_HEAD_BYTES]
    shown = (
        head
        if head.isascii() and head.decode("ascii").isprintable()
        else head[: MAX_CUT_HEAD_BYTES // 4].hex().encode()
    )
    return UNREAD_MARK + reason.encode() + _BEGINS + shown


def reason_of(line: bytes) -> str:
    """Why it is none."""
    told = line.removeprefix(UNREAD_MARK).partition(_BEGINS)[0]
    return told[:MAX_EXCERPT_CHARS].decode("utf-8", "backslashreplace")
