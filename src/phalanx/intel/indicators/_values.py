"""Values in one form: what an indicator covers, and what an observed value is asked about.

A key is what a digest is made of: a letter for the kind, then bytes. An address is asked about with every length of
prefix for which there may be a network, a host name with every name above it, a URL with its host as well.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from phalanx.core import InvalidInput
from phalanx.intel.indicators._limits import MAX_LABELS, MAX_VALUE_CHARS, MIN_PREFIX_V4, MIN_PREFIX_V6
from phalanx.intel.indicators._model import Kind

# What names of files end with and no top-level domain is called (as .com, .zip and .sh are).
_FILE_ENDINGS = frozenset({
    "bat", "bin", "bmp", "cfg", "cmd", "cpl", "csv", "dat", "dll", "doc", "docm", "docx", "efi", "elf", "evtx",
    "exe", "gif", "gz", "hta", "ini", "inf", "iso", "jar", "jpeg", "jpg", "js", "json", "jse", "lnk", "log",
    "msi", "ocx", "pdf", "pdb", "png", "ppt", "pptx", "ps1", "psm1", "rar", "reg", "scr", "sys", "tar", "tmp",
    "txt", "vbe", "vbs", "wsf", "xls", "xlsm", "xlsx", "xml", "yml",
})  # fmt: skip
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_HEX = re.compile(r"[0-9a-f]+")
_HASHES = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.SHA256}
_LETTERS = {
    Kind.DOMAIN: b"d", Kind.HOST: b"h", Kind.URL: b"u", Kind.EMAIL: b"e", Kind.MD5: b"m", Kind.SHA1: b"s",
    Kind.SHA256: b"S",
}  # fmt: skip
_PORTS = {"http": 80, "https": 443, "ftp": 21}
_LONGEST_HOST = 253
_DEFANGED_SCHEME = re.compile(r"\Ahxxp", re.IGNORECASE)
_DEFANGED = (("[.]", "."), ("(.)", "."), ("[dot]", "."), ("(dot)", "."), ("[:]", ":"), ("[at]", "@"), ("[@]", "@"))


class Asked(NamedTuple):
    """A key, and which indicator it would be."""

    key: bytes
    kind: Kind
    value: str


def indicator_key(kind: Kind, value: str) -> Asked:
    """What an indicator of ``kind`` is stored under, and its value in one form. Raises ``InvalidInput``."""
    if not value or len(value) > MAX_VALUE_CHARS or "\n" in value:
        raise InvalidInput("value", f"{value[:40]!r} must have 1 to {MAX_VALUE_CHARS} characters of one line")
    value = value.strip()
    if kind in (Kind.ADDRESS, Kind.NETWORK):
        network = _network(value)
        single = network.prefixlen == network.max_prefixlen
        if kind is Kind.ADDRESS and not single:
            raise InvalidInput("value", f"{value} is a network, and no address")
        if network.prefixlen < (MIN_PREFIX_V4 if network.version == 4 else MIN_PREFIX_V6):
            raise InvalidInput("value", f"{value} is too much of the Internet to look for")
        text = str(network.network_address) if single else str(network)
        kind = Kind.ADDRESS if single else Kind.NETWORK
        return Asked(_network_key(network.version, network.prefixlen, network.network_address.packed), kind, text)
    text = _FORMS[kind](value)
    return Asked(_key(kind, text), kind, text)


def guess_kind(value: str) -> Kind:
    """What ``value`` looks like. Raises ``InvalidInput``."""
    text = value.strip().lower()
    if len(text) in _HASHES and _HEX.fullmatch(text):
        return _HASHES[len(text)]
    if "://" in text:
        return Kind.URL
    if "@" in text:
        return Kind.EMAIL
    try:
        network = _network(text)
    except InvalidInput:
        host_form(text)
        return Kind.DOMAIN
    return Kind.ADDRESS if network.prefixlen == network.max_prefixlen else Kind.NETWORK


def refanged(value: str) -> str:
    """``hxxp://evil[.]example`` and ``hXXp://evil[.]example`` as they are meant."""
    value = _DEFANGED_SCHEME.sub("http", value)
    for written, meant in _DEFANGED:
        value = value.replace(written, meant)
    return value


def asked_about(kind: Kind, value: str, prefixes: "Prefixes") -> Iterator[Asked]:
    """Every key that an observed value may be found under; none when it is not a value of ``kind``."""
    try:
        if kind in (Kind.ADDRESS, Kind.NETWORK):
            yield from _address_keys(value, prefixes)
        elif kind in (Kind.DOMAIN, Kind.HOST):
            yield from _host_keys(host_form(value))
        elif kind is Kind.URL:
            text = url_form(value)
            yield Asked(_key(Kind.URL, text), Kind.URL, text)
            # Indicators of earlier versions have such a host as it was written.
            if (written := _in_unicode(text)) != text:
                yield Asked(_key(Kind.URL, written), Kind.URL, written)
            yield from _of_host(urlsplit(text).hostname or "", prefixes)
        else:
            text = _FORMS[kind](value)
            yield Asked(_key(kind, text), kind, text)
            if kind is Kind.EMAIL:
                yield from _host_keys(text.rpartition("@")[2])
    except InvalidInput:
        return


class Prefixes:
    """Which lengths of prefixes there are networks of: addresses are asked about with those alone."""

    def __init__(self) -> None:
        self._seen: dict[int, set[int]] = {4: {32}, 6: {128}}

    def add(self, keys: Iterable[bytes]) -> None:
        """Note the lengths of networks among ``keys``."""
        for key in keys:
            if key[:1] in (b"4", b"6"):
                self._seen[4 if key[:1] == b"4" else 6].add(key[1])

    def of(self, version: int) -> list[int]:
        return sorted(self._seen[version], reverse=True)

    def as_lists(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """To be kept: those of version 4, those of version 6."""
        return tuple(self.of(4)), tuple(self.of(6))

    def add_lists(self, four: Iterable[int], six: Iterable[int]) -> None:
        """What was kept."""
        self._seen[4].update(four)
        self._seen[6].update(six)


def host_form(value: str) -> str:
    """A host or domain name in lower case and in ASCII. Raises ``InvalidInput``."""
    text = value.strip().rstrip(".").lower().removeprefix("*.")
    text = _in_ascii(text, value)
    labels = text.split(".")
    if labels[-1] in _FILE_ENDINGS:
        raise InvalidInput("value", f"{value[:80]!r} is the name of a file; look for its hash, or for it with a rule")
    named = len(text) <= _LONGEST_HOST and all(_LABEL.fullmatch(label) for label in labels)
    if not named or len(labels) < 2 or labels[-1].isdigit():
        raise InvalidInput(
            "value", f"{value[:80]!r} is no name of a host with a domain; a bare name is searched for, or in a rule"
        )
    return text


def url_form(value: str) -> str:
    """A URL with scheme and host in lower case and ASCII, without a fragment or the scheme's own port."""
    try:
        parts = urlsplit(value.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise InvalidInput("value", f"{value[:80]!r} is no URL") from error
    if not parts.scheme or not host:
        raise InvalidInput("value", f"{value[:80]!r} is no URL with a scheme and a host")
    scheme, host = parts.scheme.lower(), _in_ascii(host, value)
    shown = f"[{host}]" if ":" in host else host
    if port is not None and _PORTS.get(scheme) != port:
        shown += f":{port}"
    return urlunsplit((scheme, shown, parts.path or "/", parts.query, ""))


def _in_ascii(host: str, value: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InvalidInput("value", f"{value[:80]!r} is no name of a host") from error


def _in_unicode(url: str) -> str:
    """A URL in its form, with the host's letters as people write them; itself where there are none besides ASCII."""
    if "xn--" not in url:
        return url
    host = urlsplit(url).hostname or ""
    try:
        return url.replace(host, host.encode("ascii").decode("idna"), 1)
    except UnicodeError:
        return url


def email_form(value: str) -> str:
    """An address in lower case."""
    local, at, domain = value.strip().strip("<>").rpartition("@")
    if not at or not local or any(one.isspace() for one in local):
        raise InvalidInput("value", f"{value[:80]!r} is no e-mail address")
    return f"{local.lower()}@{host_form(domain)}"


def _hash_form(value: str, kind: Kind) -> str:
    text = value.strip().lower()
    if _HASHES.get(len(text)) is not kind or not _HEX.fullmatch(text):
        raise InvalidInput("value", f"{value[:80]!r} is no {kind.value} in hexadecimal")
    return text


_FORMS: dict[Kind, Callable[[str], str]] = {
    Kind.DOMAIN: host_form, Kind.HOST: host_form, Kind.URL: url_form, Kind.EMAIL: email_form,
    Kind.MD5: lambda value: _hash_form(value, Kind.MD5), Kind.SHA1: lambda value: _hash_form(value, Kind.SHA1),
    Kind.SHA256: lambda value: _hash_form(value, Kind.SHA256),
}  # fmt: skip


def _key(kind: Kind, text: str) -> bytes:
    if kind in (Kind.MD5, Kind.SHA1, Kind.SHA256):
        return _LETTERS[kind] + bytes.fromhex(text)
    return _LETTERS[kind] + text.encode("utf-8", "surrogatepass")


def _network_key(version: int, length: int, packed: bytes) -> bytes:
    return (b"4" if version == 4 else b"6") + bytes((length,)) + packed


def _network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise InvalidInput("value", f"{value[:80]!r} is no address and no network") from error
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        return ipaddress.IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


@lru_cache(maxsize=256)
def _mask(bits: int, length: int) -> int:
    return ((1 << length) - 1) << (bits - length)


def _address_keys(value: str, prefixes: Prefixes) -> Iterator[Asked]:
    network = _network(value.strip().strip("[]").partition("%")[0])
    version, bits = network.version, network.max_prefixlen
    number = int(network.network_address)
    for length in prefixes.of(version):
        if length > network.prefixlen:
            continue
        masked = number & _mask(bits, length)
        packed = masked.to_bytes(bits // 8, "big")
        address = ipaddress.IPv4Address(masked) if version == 4 else ipaddress.IPv6Address(masked)
        single = length == bits
        yield Asked(
            _network_key(version, length, packed), Kind.ADDRESS if single else Kind.NETWORK,
            str(address) if single else f"{address}/{length}",
        )  # fmt: skip


def _host_keys(name: str) -> Iterator[Asked]:
    yield Asked(_key(Kind.HOST, name), Kind.HOST, name)
    above = name
    for _ in range(MAX_LABELS):
        yield Asked(_key(Kind.DOMAIN, above), Kind.DOMAIN, above)
        above = above.partition(".")[2]
        if "." not in above:
            return


def _of_host(host: str, prefixes: Prefixes) -> Iterator[Asked]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        yield from _host_keys(host_form(host))
    else:
        yield from _address_keys(host, prefixes)
