"""From what an endpoint offers to assets. Pure but for asking, which a port does.

A client that knows a good key exchange gets the best that the server has, an old one the worst: both are listed
where they differ.
"""

import re
from collections.abc import Sequence

from phalanx.core import InvalidInput, Unavailable
from phalanx.posture._judging import judge
from phalanx.posture._model import Asset, Use
from phalanx.posture._reading import assets_in
from phalanx.posture.ports import EndpointProbe, SshOffer, TlsOffer

_ENDPOINT = re.compile(r"(?:(tls|ssh)://)?(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})")
_SSH_PORT = 22

_GROUPS = {"group1": "1024", "group14": "2048", "group15": "3072", "group16": "4096", "group17": "6144",
           "group18": "8192"}  # fmt: skip
_NIST = {"nistp256": "secp256r1", "nistp384": "secp384r1", "nistp521": "secp521r1"}
# Said in a list of key exchanges without being one (RFC 8308, OpenSSH's PROTOCOL).
_NO_EXCHANGE = re.compile(r"ext-info-[cs]|kex-strict-\S+")


def parse_endpoint(text: str, field: str) -> tuple[str, str, int]:
    """Protocol, host and port of ``tls://host:443``, ``ssh://host:22`` or ``host:port``. Raises ``InvalidInput``."""
    found = _ENDPOINT.fullmatch(text)
    if found is None or not 0 < int(found[3]) < 65_536:
        raise InvalidInput(field, f"{text!r} is not tls://HOST:PORT, ssh://HOST:PORT or HOST:PORT")
    port = int(found[3])
    return found[1] or ("ssh" if port == _SSH_PORT else "tls"), found[2].strip("[]"), port


async def look_at(endpoints: Sequence[str], probe: EndpointProbe) -> tuple[list[Asset], list[Unavailable]]:
    """The assets of endpoints, one after the other, and who did not answer."""
    found: list[Asset] = []
    silent: list[Unavailable] = []
    for text in endpoints:
        protocol, host, port = parse_endpoint(text, "endpoint")
        where = f"{protocol}://{host}:{port}"
        try:
            if protocol == "ssh":
                found += ssh_assets(await probe.ssh(host, port), where)
            else:
                found += tls_assets(await probe.tls(host, port), where)
        except Unavailable as error:
            silent.append(error)
    return found, silent


def tls_assets(offer: TlsOffer, where: str) -> list[Asset]:
    """The key exchange that was agreed on, and the listener's certificate."""
    distrusted = f" ({offer.distrusted})" if offer.distrusted else ""
    exchange = Asset(
        form="protocol", name=f"TLS at {where}{distrusted}", where=where, algorithm=offer.group or "unknown",
        size=offer.cipher, use=Use.KEY_ESTABLISHMENT,
    )  # fmt: skip
    return [exchange, *assets_in(offer.certificate, where)]


def ssh_assets(offer: SshOffer, where: str) -> list[Asset]:
    """The best key exchange and the worst, and each kind of host key."""
    exchanges = [
        Asset("protocol", f"{offer.version} at {where}: {name}", where, *exchange_named(name), Use.KEY_ESTABLISHMENT)
        for name in offer.key_exchanges
        if not _NO_EXCHANGE.fullmatch(name)
    ]
    ranked = sorted(exchanges, key=_standing)
    chosen = ranked[-1:] if not ranked or _standing(ranked[0]) == _standing(ranked[-1]) else [ranked[-1], ranked[0]]
    kinds = dict.fromkeys(host_key_named(name) for name in offer.host_keys)
    keys = [
        Asset("public-key", f"{offer.version} host key at {where}", where, algorithm, size, Use.SIGNATURE)
        for algorithm, size in kinds
    ]
    return [*chosen, *keys]


def _standing(asset: Asset) -> tuple[bool, int]:
    one = judge(asset)
    return not one.vulnerable, one.strength_bits or one.level


def exchange_named(name: str) -> tuple[str, str]:
    plain = name.partition("@")[0]
    if plain.startswith("curve25519"):
        return "X25519", ""
    if plain.startswith("curve448"):
        return "X448", ""
    if plain.startswith("ecdh-sha2-"):
        curve = plain.removeprefix("ecdh-sha2-")
        return "ECDH", _NIST.get(curve, curve)
    if plain.startswith("diffie-hellman-"):
        group = plain.removeprefix("diffie-hellman-").partition("-")[0]
        return "DH", _GROUPS.get(group, "")
    return plain, ""


def host_key_named(name: str) -> tuple[str, str]:
    plain = name.partition("@")[0].removesuffix("-cert-v01").removeprefix("sk-")
    if "ed25519" in plain:
        return "Ed25519", ""
    if plain.startswith("ecdsa-sha2-"):
        curve = plain.removeprefix("ecdsa-sha2-")
        return "ECDSA", _NIST.get(curve, curve)
    if plain == "ssh-dss":
        return "DSA", "1024"
    # The length of the key is not said before the exchange.
    return ("RSA", "") if "rsa" in plain else (plain, "")
