"""An inventory as a CycloneDX CBOM, version 1.6 (ECMA-424), JSON. Pure.

Each certificate, key, endpoint and use in source code is a component of type ``cryptographic-asset`` with the places
where it was found as evidence; so is each algorithm, once, which they refer to. What the standard has no field for
(deadline, replacement) is a property under ``phalanx:``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from phalanx.core import iso_from_ns
from phalanx.posture._judging import judge
from phalanx.posture._model import Asset, Judgement, Use

Component = dict[str, Any]

_FUNCTIONS = {
    Use.SIGNATURE: ["sign", "verify"],
    Use.KEY_ESTABLISHMENT: ["encapsulate", "decapsulate"],
    Use.BOTH: ["sign", "verify", "encrypt", "decrypt"],
    Use.ENCRYPTION: ["encrypt", "decrypt"],
    Use.DIGEST: ["digest"],
}


def cbom(assets: Sequence[Asset], *, at_ns: int, version: str) -> dict[str, Any]:
    """The document. The same assets at the same time give the same one."""
    algorithms: dict[str, Component] = {}
    components: dict[str, Component] = {}
    for asset in assets:
        component = _component(asset, judge(asset), algorithms)
        known = components.setdefault(component["bom-ref"], component)
        if known is not component:
            known["evidence"]["occurrences"] += component["evidence"]["occurrences"]
    listed = [*components.values(), *(algorithms[name] for name in sorted(algorithms))]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_uuid(str(at_ns), *components)}",
        "version": 1,
        "metadata": {
            "timestamp": iso_from_ns(at_ns),
            "tools": {"components": [{"type": "application", "name": "phalanx", "version": version}]},
        },
        "components": listed,
    }


def _component(asset: Asset, judgement: Judgement, algorithms: dict[str, Component]) -> Component:
    if asset.form == "source":
        return {
            "type": "cryptographic-asset",
            "bom-ref": f"source/{_digest(asset)}",
            "name": asset.name,
            "cryptoProperties": {"assetType": "algorithm", "algorithmProperties": _algorithmic(asset, judgement)},
            "evidence": {"occurrences": [_place(asset)]},
            "properties": _judged(judgement),
        }
    key = _algorithm(asset, judgement, algorithms)
    component: Component = {
        "type": "cryptographic-asset",
        "bom-ref": f"{asset.form}/{_digest(asset)}",
        "name": asset.name,
        "cryptoProperties": _properties(asset, key),
        "evidence": {"occurrences": [_place(asset)]},
        "properties": _judged(judgement),
    }
    return component


def _place(asset: Asset) -> Component:
    return {"location": asset.where, "line": asset.line} if asset.line else {"location": asset.where}


def _properties(asset: Asset, key: str) -> dict[str, Any]:
    if asset.form == "certificate":
        return {
            "assetType": "certificate",
            "certificateProperties": {
                "subjectName": asset.name,
                "issuerName": asset.issuer,
                "notValidBefore": iso_from_ns(asset.not_before_ns),
                "notValidAfter": iso_from_ns(asset.until_ns),
                "subjectPublicKeyRef": key,
                "certificateFormat": "X.509",
            },
        }
    if asset.form == "protocol":
        if asset.where.startswith("ssh://"):
            return {
                "assetType": "protocol",
                "protocolProperties": {"type": "ssh", "version": "2.0", "cryptoRefArray": [key]},
            }
        suite = {"name": asset.size} if asset.size else {"name": asset.algorithm}
        return {
            "assetType": "protocol",
            "protocolProperties": {"type": "tls", "version": "1.3", "cipherSuites": [suite], "cryptoRefArray": [key]},
        }
    properties: dict[str, Any] = {"type": asset.form, "algorithmRef": key}
    if asset.size.isdigit():
        properties["size"] = int(asset.size)
    return {"assetType": "related-crypto-material", "relatedCryptoMaterialProperties": properties}


def _algorithm(asset: Asset, judgement: Judgement, algorithms: dict[str, Component]) -> str:
    """The component of an asset's algorithm, made when it is new; its reference."""
    name = f"{asset.algorithm}-{asset.size}" if asset.size else asset.algorithm
    ref = f"algorithm/{name}/{asset.use.value}"
    algorithms[ref] = {
        "type": "cryptographic-asset",
        "bom-ref": ref,
        "name": name,
        "cryptoProperties": {"assetType": "algorithm", "algorithmProperties": _algorithmic(asset, judgement)},
    }
    return ref


def _algorithmic(asset: Asset, judgement: Judgement) -> Component:
    name = f"{asset.algorithm}-{asset.size}"
    properties: Component = {
        "primitive": "kem" if "KEM" in name.upper() or "sntrup" in name else _primitive(asset),
        "cryptoFunctions": _FUNCTIONS[asset.use],
        "nistQuantumSecurityLevel": judgement.level,
    }
    if asset.size:
        properties["parameterSetIdentifier"] = asset.size
    if judgement.strength_bits:
        properties["classicalSecurityLevel"] = judgement.strength_bits
    return properties


def _primitive(asset: Asset) -> str:
    if asset.use is Use.DIGEST:
        return "hash"
    if asset.use is Use.ENCRYPTION:
        return "stream-cipher" if asset.algorithm in ("RC4", "ChaCha20") else "block-cipher"
    if asset.algorithm == "unknown":
        return "unknown"
    if asset.algorithm == "RSA" and asset.use is not Use.SIGNATURE:
        return "pke"
    return "signature" if asset.use is Use.SIGNATURE else "key-agree"


def _judged(judgement: Judgement) -> list[Mapping[str, str]]:
    said = {
        "quantum-vulnerable": str(judgement.vulnerable).lower(),
        "harvest-now-decrypt-later": str(judgement.harvest_now).lower(),
        "deprecated-after": str(judgement.deprecated or ""),
        "disallowed-after": str(judgement.until or ""),
        "replacement": judgement.replacement,
        "resources-to-break": judgement.resources,
        "weak-already": judgement.weak,
    }
    return [{"name": f"phalanx:{name}", "value": value} for name, value in said.items() if value]


def _digest(asset: Asset) -> str:
    """What tells an asset from others, wherever it lies: its bytes where they are known."""
    told = asset.digest or f"{asset.name}\n{asset.where}\n{asset.algorithm}\n{asset.size}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _uuid(*parts: str) -> str:
    # Version 8 (RFC 9562): made from what is in the document, so that the same one has the same number.
    text = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-a{text[17:20]}-{text[20:32]}"
