"""What events of sessions say that was agreed on, as assets. Pure.

Zeek's ``ssl.log`` names version, cipher suite and curve, its ``ssh.log`` key exchange and host key; Suricata's ``tls``
events the version. Up to TLS 1.2 the suite says how a key is agreed on (RFC 5246, appendix A.5); from 1.3 on the group
does (RFC 8446, section 4.2.7).
"""

import re

from phalanx.core import Event
from phalanx.posture._endpoints import exchange_named, host_key_named
from phalanx.posture._model import Asset, Use

SESSION_WORDS = ("tlsv1", "sslv3", "kex_alg", "tls 1.", '"event_type":"tls"')
# The algorithm of a session that does not say how its key was agreed on.
UNTOLD = "not told"

_KEY_TRANSPORT = re.compile(r"(?:TLS|SSL)_RSA_(?:EXPORT_)?WITH_")
_ELLIPTIC = re.compile(r"TLS_ECDHE?_")
_FINITE = re.compile(r"(?:TLS|SSL)_DHE?_")
_CURVES = {"secp256r1": "secp256r1", "prime256v1": "secp256r1", "secp384r1": "secp384r1", "secp521r1": "secp521r1"}


def session_assets(event: Event) -> list[Asset]:
    """The key exchange of a session, and its host key where one is told; nothing for what is no session."""
    product, service = event.batch.log_source.product, event.batch.log_source.service
    if product == "zeek" and service == "ssl":
        return _tls(event, _text(event, "cipher"), _text(event, "curve"), _text(event, "server_name"))
    if product == "zeek" and service == "ssh":
        return _ssh(event)
    if product == "suricata" and service == "tls":
        suite = _text(event, "tls.cipher_suite") or _text(event, "tls.version")
        return _tls(event, suite, "", _text(event, "tls.sni"))
    return []


def _tls(event: Event, suite: str, curve: str, name: str) -> list[Asset]:
    if not suite and not curve:
        return []
    if curve:
        algorithm, size = ("ECDH", _CURVES[curve]) if curve in _CURVES else (_group(curve), "")
    elif _KEY_TRANSPORT.match(suite):
        algorithm, size = "RSA", ""
    elif _FINITE.match(suite):
        algorithm, size = "DH", ""
    elif _ELLIPTIC.match(suite):
        algorithm, size = "ECDH", ""
    else:
        algorithm, size = UNTOLD, suite
    where = name or _text(event, "id.resp_h") or _text(event, "dest_ip")
    return [Asset("protocol", f"TLS with {where}", where, algorithm, size, Use.KEY_ESTABLISHMENT)]


def _ssh(event: Event) -> list[Asset]:
    where = _text(event, "id.resp_h")
    found = []
    if exchange := _text(event, "kex_alg"):
        algorithm, size = exchange_named(exchange)
        found.append(Asset("protocol", f"SSH with {where}", where, algorithm, size, Use.KEY_ESTABLISHMENT))
    if key := _text(event, "host_key_alg"):
        algorithm, size = host_key_named(key)
        found.append(Asset("public-key", f"SSH host key of {where}", where, algorithm, size, Use.SIGNATURE))
    return found


def _group(name: str) -> str:
    """A group as a standard names it: Zeek writes them in small letters."""
    return {"x25519": "X25519", "x448": "X448"}.get(name.lower(), name.upper() if "mlkem" in name.lower() else name)


def _text(event: Event, field: str) -> str:
    value = event.get(field)
    return "" if value is None or value == "-" else str(value)
