"""Types of MISP attributes and what they are in STIX (MISP core format, `draft-dulaunoy-misp-core-format`)."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Final

_HASHES: Final = {
    "md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512", "sha224": "SHA224", "sha384": "SHA384",
    "sha3-256": "SHA3-256", "sha3-512": "SHA3-512", "ssdeep": "SSDEEP", "tlsh": "TLSH", "imphash": "IMPHASH",
    "authentihash": "AUTHENTIHASH",
}  # fmt: skip
# Patterns in languages of their own: STIX names them the same.
LANGUAGES: Final = {
    "stix2-pattern": "stix", "sigma": "sigma", "yara": "yara", "snort": "snort", "suricata": "suricata", "zeek": "zeek",
}  # fmt: skip


def quoted(text: str) -> str:
    """A literal of a pattern."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def pattern_of(kind: str, value: str) -> str:
    """The pattern that an attribute with ``to_ids`` is; empty for a type that has none."""
    if kind in _HASHES:
        return f"[{_hash(kind, value)}]"
    if kind in _PLAIN:
        return f"[{_PLAIN[kind](value)}]"
    first, bar, second = kind.partition("|")
    left, _, right = value.partition("|")
    if not bar or not left or not right:
        return ""
    if first == "filename" and second in _HASHES:
        return f"[file:name = {quoted(left)} AND {_hash(second, right)}]"
    if kind == "domain|ip":
        # Each half is to be looked for: that is what both are given for.
        return f"[domain-name:value = {quoted(left)}] OR [{_address(right)}]"
    if second == "port" and right.isdecimal():
        end = "src" if first == "ip-src" else "dst"
        return f"[network-traffic:{end}_ref.value = {quoted(left)} AND network-traffic:{end}_port = {int(right)}]"
    if kind == "regkey|value":
        return f"[windows-registry-key:key = {quoted(left)} AND windows-registry-key:values[*].data = {quoted(right)}]"
    return ""


def observable_of(kind: str, value: str) -> dict[str, Any] | None:
    """The observable that an attribute without ``to_ids`` is; None for a type that has none."""
    if kind in _HASHES:
        return {"type": "file", "hashes": {_HASHES[kind]: value.lower()}}
    if kind in ("ip-src", "ip-dst"):
        version = _version(value)
        return {"type": f"ipv{version}-addr", "value": value} if version else None
    if kind in _OBSERVABLES:
        name, property_ = _OBSERVABLES[kind]
        return {"type": name, property_: value}
    if kind == "AS" and value.upper().removeprefix("AS").isdecimal():
        return {"type": "autonomous-system", "number": int(value.upper().removeprefix("AS"))}
    first, _, second = kind.partition("|")
    left, _, right = value.partition("|")
    if first == "filename" and second in _HASHES and left and right:
        return {"type": "file", "name": left, "hashes": {_HASHES[second]: right.lower()}}
    return None


def attributes_of(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Types and values of the attributes that an observable becomes; none for what has no form there."""
    kind = str(raw.get("type", ""))
    if kind == "file":
        hashes = raw.get("hashes", {})
        found = [(_HASH_NAMES[name], str(value)) for name, value in hashes.items() if name in _HASH_NAMES]
        return found or ([("filename", str(raw["name"]))] if raw.get("name") else [])
    if kind == "autonomous-system":
        return [("AS", f"AS{raw['number']}")]
    if kind == "user-account":
        login = raw.get("account_login") or raw.get("user_id")
        return [("target-user", str(login))] if login else []
    if kind not in _ATTRIBUTES:
        return []
    name, property_ = _ATTRIBUTES[kind]
    return [(name, str(raw[property_]))] if raw.get(property_) else []


# The attribute type of a single value, when it has to be made of one.
TYPE_OF_VALUE: Final[Mapping[str, str]] = {"domain": "domain", "url": "url", "email": "email"}
_HASH_TYPES: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


def attribute_type(kind: str, value: str) -> str:
    """The type of the attribute that looks for a value; empty for none."""
    if kind == "ip":
        return "ip-dst"
    return _HASH_TYPES.get(len(value), "") if kind == "hash" else TYPE_OF_VALUE.get(kind, "")


def category_of(kind: str) -> str:
    """A category that MISP allows for a type that we write."""
    if kind == "target-user":
        return "Targeting data"
    if kind in ("regkey", "mutex"):
        return "Artifacts dropped"
    return "Payload delivery" if kind in _HASHES or kind.startswith(("email", "filename")) else "Network activity"


def _hash(kind: str, value: str) -> str:
    return f"file:hashes.'{_HASHES[kind]}' = {quoted(value.lower())}"


def _address(value: str) -> str:
    version = _version(value) or 4
    return f"ipv{version}-addr:value {'ISSUBSET' if '/' in value else '='} {quoted(value)}"


def _version(value: str) -> int:
    try:
        return ipaddress.ip_network(value, strict=False).version
    except ValueError:
        return 0


def _on(path: str) -> Callable[[str], str]:
    return lambda value: f"{path} = {quoted(value)}"


_PLAIN: Final[Mapping[str, Callable[[str], str]]] = {
    "ip-src": _address,
    "ip-dst": _address,
    "domain": _on("domain-name:value"),
    "hostname": _on("domain-name:value"),
    "url": _on("url:value"),
    "uri": _on("url:value"),
    "email": _on("email-addr:value"),
    "email-dst": _on("email-addr:value"),
    "email-src": _on("email-message:from_ref.value"),
    "email-subject": _on("email-message:subject"),
    "filename": _on("file:name"),
    "mutex": _on("mutex:name"),
    "regkey": _on("windows-registry-key:key"),
    "mac-address": _on("mac-addr:value"),
    "user-agent": _on("network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"),
    "x509-fingerprint-md5": _on("x509-certificate:hashes.'MD5'"),
    "x509-fingerprint-sha1": _on("x509-certificate:hashes.'SHA-1'"),
    "x509-fingerprint-sha256": _on("x509-certificate:hashes.'SHA-256'"),
}
_OBSERVABLES: Final[Mapping[str, tuple[str, str]]] = {
    "domain": ("domain-name", "value"),
    "hostname": ("domain-name", "value"),
    "url": ("url", "value"),
    "uri": ("url", "value"),
    "email": ("email-addr", "value"),
    "email-src": ("email-addr", "value"),
    "email-dst": ("email-addr", "value"),
    "filename": ("file", "name"),
    "mutex": ("mutex", "name"),
    "regkey": ("windows-registry-key", "key"),
    "mac-address": ("mac-addr", "value"),
}
_HASH_NAMES: Final[Mapping[str, str]] = {name: kind for kind, name in _HASHES.items()}
# Which way traffic went, an address by itself does not say.
_ATTRIBUTES: Final[Mapping[str, tuple[str, str]]] = {
    "ipv4-addr": ("ip-dst", "value"), "ipv6-addr": ("ip-dst", "value"), "domain-name": ("domain", "value"),
    "url": ("url", "value"), "email-addr": ("email", "value"), "mutex": ("mutex", "name"),
    "windows-registry-key": ("regkey", "key"), "mac-addr": ("mac-address", "value"),
}  # fmt: skip
