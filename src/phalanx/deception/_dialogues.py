"""What a decoy says to whom: one small state machine for each kind, bytes in, bytes out.

Invariants, whatever comes in:

- no dialogue raises, runs anything, opens anything or sends more than was decided here;
- the answer to some input is never longer than ``MAX_SENT_BYTES`` in all, so a decoy cannot amplify;
- what is read out of the input is short, printable text.

SSH: RFC 4253, section 4.2 (identification), and no further. HTTP: RFC 9112, as much as a login page needs.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl

from phalanx.deception._limits import (
    MAX_FACT_CHARS,
    MAX_FACTS,
    MAX_FORM_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEAD_LINES,
    MAX_SSH_LINE_BYTES,
    MAX_SSH_LINES,
)

_SSH_BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
_TCP_BANNER = b"220 backup-01 ready\r\n"
_FORM = (
    b"<!doctype html><title>Sign in</title><h1>Backup console</h1>"
    b'<form method="post"><input name="username"><input name="password" type="password"><button>Sign in</button></form>'
)
_USER_FIELDS = ("username", "user", "login", "email", "log")
_SECRET_FIELDS = ("password", "pass", "pwd", "passwd")


@dataclass(slots=True)
class Said:
    """What goes back, and whether that was all."""

    data: bytes = b""
    over: bool = False


@dataclass(slots=True)
class Learned:
    """What a dialogue read out of its input. ``canary`` says that a planted user name was tried."""

    facts: dict[str, str] = field(default_factory=dict)
    canary: bool = False

    def note(self, name: str, value: bytes | str) -> None:
        if len(self.facts) < MAX_FACTS:
            self.facts[name] = printable(value)


class Dialogue(Protocol):
    """One connection to a decoy."""

    learned: Learned

    def opened(self) -> bytes:
        """What is said unasked."""
        ...

    def received(self, data: bytes) -> Said: ...


class SshDialogue:
    """Shows a version, reads the other's, and ends when key exchange would begin."""

    def __init__(self, users: Mapping[str, str]) -> None:  # noqa: ARG002 - no user name is said this early
        self.learned = Learned()
        self._unread = b""
        self._lines = 0

    def opened(self) -> bytes:
        return _SSH_BANNER

    def received(self, data: bytes) -> Said:
        self._unread += data
        while b"\n" in self._unread:
            line, _, self._unread = self._unread.partition(b"\n")
            self._lines += 1
            line = line.rstrip(b"\r")
            if line.startswith(b"SSH-"):
                self.learned.note("client", line[:MAX_SSH_LINE_BYTES])
                return Said(over=True)
            if self._lines >= MAX_SSH_LINES or len(line) > MAX_SSH_LINE_BYTES:
                break
        else:
            if len(self._unread) <= MAX_SSH_LINE_BYTES:
                return Said()
        return Said(b"Invalid SSH identification string.\r\n", over=True)


class HttpDialogue:
    """A login page that lets nobody in, by form or by Basic authentication."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self.learned = Learned()
        self._users = users
        self._unread = b""

    def opened(self) -> bytes:
        return b""

    def received(self, data: bytes) -> Said:
        self._unread += data
        head, ended, body = self._unread.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD_BYTES:
            return _answer("431 Request Header Fields Too Large", b"")
        if not ended:
            return Said()
        lines = head.split(b"\r\n")[:MAX_HEAD_LINES]
        request = lines[0].split(b" ")
        if len(request) != 3 or not request[2].startswith(b"HTTP/"):
            self.learned.note("asked", lines[0])
            return _answer("400 Bad Request", b"")
        headers = _headers(lines[1:])
        length = _length(headers.get(b"content-length", b""))
        if length is None:
            return _answer("400 Bad Request", b"")
        if len(body) < min(length, MAX_FORM_BYTES):
            return Said()
        self._read(request, headers, body[: min(length, MAX_FORM_BYTES)])
        return _answer("401 Unauthorized", b"" if request[0] == b"HEAD" else _FORM)

    def _read(self, request: list[bytes], headers: Mapping[bytes, bytes], body: bytes) -> None:
        self.learned.note("asked", b" ".join(request[:2]))
        if agent := headers.get(b"user-agent"):
            self.learned.note("client", agent)
        user, secret = _basic(headers.get(b"authorization", b""))
        if not user:
            user, secret = _form(body)
        if user:
            self.learned.note("user", user)
            self._compare(user, secret)

    def _compare(self, user: str, secret: str) -> None:
        planted = self._users.get(user)
        if planted is None:
            return
        self.learned.canary = True
        same = hmac.compare_digest(planted.encode(), secret.encode("utf-8", "surrogatepass"))
        self.learned.note("password", "the planted one" if same else "another one")


class TcpDialogue:
    """Greets, listens, and says nothing more."""

    def __init__(self, users: Mapping[str, str]) -> None:  # noqa: ARG002 - nobody signs in here
        self.learned = Learned()

    def opened(self) -> bytes:
        return _TCP_BANNER

    def received(self, data: bytes) -> Said:
        if "asked" not in self.learned.facts:
            self.learned.note("asked", data.split(b"\n", 1)[0])
        return Said()


DIALOGUES: Mapping[str, Callable[[Mapping[str, str]], Dialogue]] = {
    "ssh": SshDialogue,
    "http": HttpDialogue,
    "tcp": TcpDialogue,
}


def printable(value: bytes | str) -> str:
    """Short text that can be shown anywhere."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    text = text[: 2 * MAX_FACT_CHARS].encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else "·" for char in text[:MAX_FACT_CHARS])


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in lines)
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def _length(text: bytes) -> int | None:
    if not text:
        return 0
    # int() takes signs, spaces and underscores, and refuses very long digits by raising.
    return int(text) if text.isdigit() and len(text) <= 9 else None


def _basic(header: bytes) -> tuple[str, str]:
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return "", ""
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "backslashreplace")
    except (binascii.Error, ValueError):
        return "", ""
    user, _, secret = pair.partition(":")
    return user, secret


def _form(body: bytes) -> tuple[str, str]:
    try:
        fields = dict(parse_qsl(body.decode("utf-8", "backslashreplace"), max_num_fields=MAX_FACTS))
    except ValueError:
        return "", ""
    user = next((fields[name] for name in _USER_FIELDS if name in fields), "")
    return user, next((fields[name] for name in _SECRET_FIELDS if name in fields), "")


def _answer(status: str, body: bytes) -> Said:
    head = (
        f"HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Type: text/html; charset=utf-8\r\n"
        f'WWW-Authenticate: Basic realm="Backup console"\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n'
    )
    return Said(head.encode() + body, over=True)
