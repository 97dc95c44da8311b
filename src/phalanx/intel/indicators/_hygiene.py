"""Values that must not be looked for: those that everybody meets every day.

The built-in list is from standards: addresses that are nobody's (RFC 1918, 5735, 6890 and those they name), names that
are for documentation and tests (RFC 2606, 6761, 6762), hashes of nothing. Lists of MISP (``list.json`` in folders) are
read besides, in all five of its kinds.
"""

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, Final

import numpy as np

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel.indicators._limits import (
    MAX_LIST_ENTRIES,
    MAX_LIST_FILE_BYTES,
    MAX_LIST_PATTERNS,
    MAX_LISTS,
)
from phalanx.intel.indicators._model import Kind
from phalanx.intel.indicators._table import Arithmetic, build_table
from phalanx.intel.indicators._values import Prefixes, asked_about, guess_kind, indicator_key

# Nobody has to guess these: they are in memory alone.
_KEY: Final = bytes(16)
_RESERVED_NETWORKS: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "::/127", "64:ff9b:1::/48", "100::/64", "2001:db8::/32", "3fff::/20", "fc00::/7",
    "fe80::/10", "ff00::/8",
)  # fmt: skip
_RESERVED_NAMES: Final = (
    "example.com", "example.net", "example.org", "home.arpa", "in-addr.arpa", "ip6.arpa", "localhost.localdomain",
)  # fmt: skip
_RESERVED_TOP: Final = frozenset({"example", "invalid", "local", "localhost", "onion", "test", "internal"})
# That a host is well known does not make everything on it harmless, nor every address of a mail service.
_BY_ITSELF: Final = frozenset({Kind.URL, Kind.EMAIL})
RESERVED: Final = "reserved by standards"
NOTHING: Final = "hash of nothing"


class Warninglists:
    """Which list a value is on."""

    def __init__(self, lists: Iterable["WarningList"] = (), *, arithmetic: Arithmetic | None = None) -> None:
        lists = [builtin_list(), nothing_list(), *lists]
        if len(lists) > MAX_LISTS:
            raise LimitExceeded("warninglists", maximum=MAX_LISTS, seen=len(lists))
        self.names = [one.name for one in lists]
        self.entries = sum(one.entries for one in lists)
        if self.entries > MAX_LIST_ENTRIES:
            raise LimitExceeded("entries of warninglists", maximum=MAX_LIST_ENTRIES, seen=self.entries)
        self._prefixes = Prefixes()
        self._arithmetic = Arithmetic(compiled=False) if arithmetic is None else arithmetic
        keys = [key for one in lists for key in one.keys]
        of = np.repeat(np.arange(len(lists), dtype=np.uint32), [len(one.keys) for one in lists])
        self._prefixes.add(keys)
        self._table = build_table(self._arithmetic.digests(keys, _KEY), of, self._arithmetic)
        self._patterns = [(number, pattern) for number, one in enumerate(lists) for pattern in one.patterns]

    def on(self, values: Sequence[tuple[Kind, str]]) -> list[str]:
        """For each value the name of a list that it is on; empty when it is on none."""
        found = [""] * len(values)
        keys: list[bytes] = []
        whose: list[tuple[int, bool]] = []
        for number, (kind, value) in enumerate(values):
            if kind in (Kind.DOMAIN, Kind.HOST, Kind.EMAIL, Kind.URL) and _top(value) in _RESERVED_TOP:
                found[number] = RESERVED
                continue
            for asked in asked_about(kind, value, self._prefixes):
                keys.append(asked.key)
                whose.append((number, asked.kind is kind or kind not in _BY_ITSELF))
        places = self._table.find(self._arithmetic.digests(keys, _KEY), self._arithmetic)
        for which in np.flatnonzero(places >= 0).tolist():
            number, whole = whose[which]
            for listed in self._table.run(int(places[which])):
                if not found[number] and (whole or self.names[listed] == RESERVED):
                    found[number] = self.names[listed]
        for number, (_, value) in enumerate(values):
            for listed, pattern in self._patterns:
                if not found[number] and pattern.search(value):
                    found[number] = self.names[listed]
        return found


class WarningList:
    """One list, read. ``unread`` are entries that are no value of a kind that is looked for."""

    def __init__(
        self, name: str, keys: Sequence[bytes], patterns: Sequence[re.Pattern[str]] = (), unread: int = 0
    ) -> None:
        self.name = name
        self.keys = keys
        self.patterns = patterns
        self.unread = unread

    @property
    def entries(self) -> int:
        return len(self.keys) + len(self.patterns)


def builtin_list() -> WarningList:
    """Addresses and names that standards reserve."""
    keys = [_reserved_key(value) for value in _RESERVED_NETWORKS]
    return WarningList(RESERVED, [*keys, *(indicator_key(Kind.DOMAIN, name).key for name in _RESERVED_NAMES)])


def nothing_list() -> WarningList:
    """The digests of no bytes at all: every empty file has them."""
    made = (
        (kind, hashlib.new(kind.value, b"", usedforsecurity=False).hexdigest())
        for kind in (Kind.MD5, Kind.SHA1, Kind.SHA256)
    )
    return WarningList(NOTHING, [indicator_key(kind, value).key for kind, value in made])


def read_warninglist(data: bytes, file: PurePath) -> WarningList:
    """A list as MISP keeps them. Raises ``InvalidInput``."""
    if len(data) > MAX_LIST_FILE_BYTES:
        raise InvalidInput("warninglist", f"{file} is longer than {MAX_LIST_FILE_BYTES} bytes")
    try:
        read = json.loads(data)
        name, kind, entries = str(read["name"]), str(read["type"]), list(read["list"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput("warninglist", f"{file} is no warninglist of MISP: {error}") from error
    keys: list[bytes] = []
    patterns: list[re.Pattern[str]] = []
    unread = 0
    for entry in entries:
        try:
            if kind == "substring":
                patterns.append(re.compile(re.escape(str(entry)), re.IGNORECASE))
            elif kind == "regex":
                patterns.append(_expression(str(entry)))
            else:
                keys.append(_listed_key(kind, str(entry)))
        except (InvalidInput, re.error):
            unread += 1
    if len(patterns) > MAX_LIST_PATTERNS:
        raise InvalidInput("warninglist", f"{file} has more than {MAX_LIST_PATTERNS} patterns")
    return WarningList(name, keys, patterns, unread)


def _listed_key(kind: str, entry: str) -> bytes:
    if kind == "cidr":
        return _reserved_key(entry)
    if kind == "hostname":
        return indicator_key(Kind.DOMAIN, entry.lstrip(".")).key
    guessed = guess_kind(entry)
    # `string` is this value and no other: a name is not meant with what is below it.
    return indicator_key(Kind.HOST if guessed is Kind.DOMAIN else guessed, entry).key


def _reserved_key(entry: str) -> bytes:
    """A network of any size: what is too much to look for is not too much to leave out."""
    try:
        network: Any = ipaddress.ip_network(entry, strict=False)
    except ValueError as error:
        raise InvalidInput("warninglist", f"{entry[:80]!r} is no network") from error
    letter = b"4" if network.version == 4 else b"6"
    return letter + bytes((network.prefixlen,)) + bytes(network.network_address.packed)


def _expression(entry: str) -> re.Pattern[str]:
    """As PHP writes it, between two slashes with letters behind, or bare."""
    flags = 0
    if entry.startswith("/") and "/" in entry[1:]:
        entry, _, letters = entry[1:].rpartition("/")
        flags = re.IGNORECASE if "i" in letters else 0
    return re.compile(entry, flags)


def _top(value: str) -> str:
    host = value.partition("://")[2].partition("/")[0] if "://" in value else value
    return host.rpartition("@")[2].rstrip(".").rpartition(".")[2].partition(":")[0].lower()
