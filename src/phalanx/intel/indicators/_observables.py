"""Values of events that may be on a list, found by the names of their fields.

Every source has its own names (`id.resp_h`, `DestinationIp`, `destination.ip`, `src_ip`), and all say the same with
the same words: a name is split into words, and those tell what its values are. A value that is none of that is left.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from phalanx.core import EventBatch, Value
from phalanx.intel.indicators._limits import MAX_FIELD_CHARS
from phalanx.intel.indicators._model import Kind

FIELD_KINDS = ("address", "host", "url", "hash", "email", "text")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_HASHES = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?![0-9A-Fa-f])")
_URLS = re.compile(r"\b(?:https?|ftp)://[^\s\"'<>|^`{}\\]+", re.IGNORECASE)
_EMAILS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESSES = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w.:])")
_OF_LENGTH = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.SHA256}

_ADDRESS_WORDS = frozenset({"ip", "ipaddress", "addr", "address", "addresses", "answers", "client", "remote", "rhost"})
_HOST_WORDS = frozenset(
    {"host", "hostname", "domain", "query", "queryname", "sni", "rrname", "answers", "fqdn", "server"}
)
_URL_WORDS = frozenset({"url", "uri", "referrer", "referer", "link", "full"})
_HASH_WORDS = frozenset({"hash", "hashes", "md5", "sha1", "sha256", "sha", "md", "fingerprint", "imphash"})
_EMAIL_WORDS = frozenset({"email", "mail", "mailfrom", "rcptto", "from", "to", "recipient", "sender", "cc"})
_TEXT_WORDS = frozenset({"command", "cmdline", "commandline", "script", "scriptblock", "message", "payload", "msg"})
# CEF's and LEEF's short names, each as a whole: as words of longer names they say nothing.
_WHOLE_NAMES = {
    "src": "address",
    "dst": "address",
    "dvc": "address",
    "shost": "host",
    "dhost": "host",
    "request": "url",
}
# Zeek's two ends of a connection.
_ENDS = (("orig", "h"), ("resp", "h"), ("tx", "hosts"), ("rx", "hosts"))


@lru_cache(maxsize=8_192)
def looked_for_in(field: str) -> frozenset[str]:
    """What values of a field may be: ``address``, ``host``, ``url``, ``hash``, ``email``, ``text``."""
    words = [word.lower() for word in _WORDS.findall(field)]
    pairs = list(pairwise(words))
    joined = frozenset(words) | {first + second for first, second in pairs}
    found = set()
    for kind, named in (
        ("address", _ADDRESS_WORDS), ("host", _HOST_WORDS), ("url", _URL_WORDS), ("hash", _HASH_WORDS),
        ("email", _EMAIL_WORDS), ("text", _TEXT_WORDS),
    ):  # fmt: skip
        if joined & named:
            found.add(kind)
    if field in _WHOLE_NAMES:
        found.add(_WHOLE_NAMES[field])
    if any(pair in _ENDS for pair in pairs):
        found.add("address")
    if "host" in joined and found:
        found.add("address")
    return frozenset(found)


def observables(batch: EventBatch) -> dict[tuple[Kind, str], list[tuple[int, str]]]:
    """Every distinct value that may be on a list, with the places and fields where it stands."""
    found: dict[tuple[Kind, str], list[tuple[int, str]]] = {}
    for field, column in batch.columns.items():
        wanted = looked_for_in(field)
        if not wanted:
            continue
        for value, places in _distinct(column).items():
            for observed in dict.fromkeys(observed_in(value, wanted)):
                found.setdefault(observed, []).extend((place, field) for place in places)
    return found


def observed_in(value: str, wanted: frozenset[str]) -> Iterator[tuple[Kind, str]]:
    """What a value is, of what is wanted. The exact form is nobody's business here: what is none is not found."""
    if "text" in wanted:
        for url in _URLS.findall(value):
            yield Kind.URL, url.rstrip(".,;)")
        for address in _ADDRESSES.findall(value):
            yield Kind.ADDRESS, address
    if "url" in wanted and "://" in value:
        yield Kind.URL, value
    if "hash" in wanted:
        for digest in _HASHES.findall(value):
            yield _OF_LENGTH[len(digest)], digest
    if "email" in wanted and "@" in value:
        for address in _EMAILS.findall(value):
            yield Kind.EMAIL, address
    if "address" in wanted or "host" in wanted:
        yield from _ends_in(value, wanted)


def _ends_in(value: str, wanted: frozenset[str]) -> Iterator[tuple[Kind, str]]:
    for part in value.split(",") if "," in value else (value,):
        one = part.strip()
        if "address" in wanted and one[:1] in "0123456789abcdefABCDEF:[" and ("." in one or ":" in one):
            yield Kind.ADDRESS, one
        if "host" in wanted and "." in one and "/" not in one and " " not in one:
            yield Kind.HOST, one


def _distinct(column: Sequence[Value]) -> Mapping[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, value in enumerate(column):
        if isinstance(value, str) and 3 < len(value) <= MAX_FIELD_CHARS:
            places.setdefault(value, []).append(place)
    return places
