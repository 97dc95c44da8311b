#!/usr/bin/env python3
"""Verify an evidence bundle of a Phalanx ledger, without Phalanx.

    python verify_evidence.py BUNDLE [--key FINGERPRINT] [--tsa-ca FILE] [--timeline] [--json]

Needs Python 3.11 and the library `cryptography` (45 or later), no network and no other file.
Timestamps are checked when `rfc3161-client` is installed, anchors when `pqcrypto` is, and said to
be unchecked otherwise.

Ends with 0 when everything holds and with 6 when something does not; then it names the first
broken link and what it belongs to. `phalanx ledger verify` gives the same verdicts. Whoever uses
it should read it: it is one page per format, and says which standard each follows.
"""

import base64
import binascii
import hashlib
import json
import re
import struct
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

MAX_BYTES, MAX_ENTRIES, MAX_MARKS, MAX_WITNESSES, MAX_ROOTS, MAX_PATH = 64 << 20, 10_000, 16, 7, 16, 63
MAX_NOTE_BYTES, MAX_NOTE_LINES = 65_536, 16
LAST_INDEX = 2**63 - 1

# C2SP signed-note and tlog-cosignature: what a signature line of each type signs.
NOTE, COSIGNATURE, MLDSA = 0x01, 0x04, 0x06
PUBLIC_BYTES = {NOTE: 32, COSIGNATURE: 32, MLDSA: 1312}


T = TypeVar("T")
Check = Callable[[Any], bool]
Table = dict[str, Any]


class Key(NamedTuple):
    """A verifier key: who signs, its id, in which way, with what."""

    name: str
    id: bytes
    kind: int
    public: Ed25519PublicKey | MLDSA44PublicKey


class Note(NamedTuple):
    """A checkpoint: what is signed, what it says, and the signatures by key name and id."""

    text: str
    origin: str
    size: int
    root: bytes
    signatures: dict[tuple[str, bytes], bytes]


class Broken(Exception):
    """The first link that does not hold."""

    def __init__(self, link: str, where: str, reason: str) -> None:
        super().__init__(f"the evidence breaks at the {link} of {where}: {reason}")
        self.link, self.where, self.reason = link, where, reason


class Refused(Exception):
    """Why something is not what it should be; whoever calls knows at which link."""


# The document: one JSON value in one canonical form, every field known.


def canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def no_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number that stands in a bundle")


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_hash(value: Any) -> bool:
    return is_text(value) and re.fullmatch("[0-9a-f]{64}", value) is not None


def is_list(of: Check, at_most: int, at_least: int = 0) -> Check:
    return lambda value: isinstance(value, list) and at_least <= len(value) <= at_most and all(map(of, value))


def is_table(**fields: Check) -> Check:
    def check(value: Any) -> bool:
        return (
            isinstance(value, dict) and set(value) == set(fields) and all(fields[name](value[name]) for name in fields)
        )

    return check


def is_index(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LAST_INDEX


is_path = is_list(is_hash, MAX_PATH)
is_timestamp = is_table(roots=is_list(is_text, MAX_ROOTS, 1), token=is_text)
is_announcement = is_table(index=is_index, leaf=is_text, path=is_path)
is_entry = is_table(
    index=is_index, leaf=is_text, leaf_hash=is_hash, path=is_path,
    payload=lambda value: value is None or is_text(value), salt=lambda value: value is None or is_hash(value),
)  # fmt: skip


def is_bundle(value: Any) -> bool:
    """Version 1 has anchors whose key nothing ties to the log; later ones have the entry that announces it."""
    version = value.get("version") if isinstance(value, dict) else None
    tie = {} if version == 1 else {"announcement": is_announcement}
    is_anchor = is_table(algorithm=is_text, key=is_text, note=is_text, **tie)
    is_mark = is_table(
        anchor=lambda value: value is None or is_anchor(value), note=is_text, path=is_path,
        timestamp=lambda value: value is None or is_timestamp(value),
    )  # fmt: skip
    return is_table(
        case=is_text, checkpoint=is_text, entries=is_list(is_entry, MAX_ENTRIES, 1),
        kind=lambda value: value == "phalanx-evidence",
        log=is_table(fingerprint=is_hash, keys=is_list(is_text, 2, 2), origin=is_text),
        marks=is_list(is_mark, MAX_MARKS),
        tenant=is_text, timeline=is_text, version=lambda value: type(value) is int and value in (1, 2),
        witnesses=is_list(is_table(keys=is_list(is_text, 2, 1), name=is_text), MAX_WITNESSES),
    )(value)  # fmt: skip


def read_document(data: bytes) -> Table:
    def broken(reason: str) -> Broken:
        return Broken("document", "the bundle", reason)

    if len(data) > MAX_BYTES:
        raise broken("it is too long")
    try:
        document: Table = json.loads(data.decode(), parse_float=no_float, parse_constant=no_float)
        same = canonical(document) == data
    except (ValueError, RecursionError) as error:
        raise broken(f"it is not JSON as a bundle has it: {error}") from error
    if not same:
        raise broken("its bytes are not in the canonical form")
    if not is_bundle(document):
        raise broken("a field is missing, unknown, or not what it should be")
    indexes = [entry["index"] for entry in document["entries"]]
    names = [witness["name"] for witness in document["witnesses"]]
    if indexes != sorted(set(indexes)) or len(set(names)) < len(names):
        raise broken("its entries are not in order, or a witness stands in it twice")
    if any(mark["anchor"] is None and mark["timestamp"] is None for mark in document["marks"]):
        raise broken("a mark has neither a timestamp nor an anchor")
    if any((entry["payload"] is None) != (entry["salt"] is None) for entry in document["entries"]):
        raise broken("a payload stands without its salt, or a salt alone")
    return document


# Notes and keys: C2SP signed-note, tlog-checkpoint, tlog-cosignature.


def decode_base64(text: str) -> bytes:
    """Standard base64 in its one canonical form."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(f"base64 cannot be read: {error}") from error
    if base64.b64encode(raw).decode() != text:
        raise Refused("base64 is not canonical")
    return raw


def is_name(text: str) -> bool:
    return 0 < len(text.encode()) <= 255 and not re.search(r"[\s+]", text)


def read_key(text: str) -> Key:
    """A verifier key, `name+id+base64(type || key)`, as (name, id, type, public key)."""
    name, _, rest = text.partition("+")
    identifier, _, encoded = rest.partition("+")
    packed = decode_base64(encoded)
    kind = packed[0] if packed else 0
    if kind not in PUBLIC_BYTES or len(packed) != 1 + PUBLIC_BYTES[kind]:
        raise Refused("it is no key of a known type")
    found = hashlib.sha256(name.encode() + b"\n" + packed).digest()[:4]
    if not is_name(name) or found.hex() != identifier:
        raise Refused("its id is not that of its name and key")
    try:
        public = (MLDSA44PublicKey if kind == MLDSA else Ed25519PublicKey).from_public_bytes(packed[1:])
    except ValueError as error:
        raise Refused(f"it is no public key: {error}") from error
    return Key(name, found, kind, public)


def read_keys(texts: list[str], kinds: tuple[int, ...]) -> list[Key]:
    keys = [read_key(text) for text in texts]
    names, types = {key.name for key in keys}, [key.kind for key in keys]
    if len(names) > 1 or len(set(types)) < len(types) or not set(types) <= set(kinds):
        raise Refused("its keys are of different names, or not one of each type")
    return sorted(keys, key=lambda key: key.kind)


def fingerprint(keys: list[Key]) -> str:
    """SHA-256 of the ledger's two public keys as Phalanx writes them (MessagePack)."""
    ed25519, mldsa = (key.public.public_bytes_raw() for key in keys)
    packed = b"\x83\xa3use\xaapublic-key\xaaalgorithms\x92\xa7Ed25519\xa9ML-DSA-44\xa5parts\x92"
    packed += b"\xc4\x20" + ed25519 + b"\xc5\x05\x20" + mldsa
    return hashlib.sha256(packed).hexdigest()


def read_note(note: str, extensions: int = 0) -> Note:
    """A signed note whose text is an origin, a size, a root, and so many lines more."""
    if len(note.encode()) > MAX_NOTE_BYTES or any(c < " " and c != "\n" for c in note):
        raise Refused("it is too long or holds control characters")
    text, separator, block = note.rpartition("\n\n")
    if not separator or not block.endswith("\n") or len(block[:-1].split("\n")) > MAX_NOTE_LINES:
        raise Refused("it is not a text, an empty line and signatures")
    signatures = {}
    for line in block[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        raw = decode_base64(encoded)
        if dash != "—" or not name or "+" in name or len(raw) <= 4 or (name, raw[:4]) in signatures:
            raise Refused("a signature line cannot be read, or stands there twice")
        signatures[name, raw[:4]] = raw[4:]
    lines = text.split("\n")
    if len(lines) != 3 + extensions or not is_name(lines[0]) or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
        raise Refused("its text is not an origin, a size and a root")
    root = decode_base64(lines[2])
    if len(root) != 32:
        raise Refused("its root has not 32 bytes")
    return Note(text + "\n", lines[0], int(lines[1]), root, signatures)


def check_signature(key: Key, note: Note) -> int:
    """That `key` signed the note; when it says it did, 0 for a type without a time."""
    name, identifier, kind, public = key
    text, origin, size, root, signatures = note
    signature = signatures.get((name, identifier))
    if signature is None:
        raise Refused(f"a signature of {name} is missing")
    at_s = 0
    if kind != NOTE:
        if len(signature) <= 8:
            raise Refused(f"a signature of {name} is too short")
        at_s, signature = struct.unpack(">Q", signature[:8])[0], signature[8:]
        if at_s > LAST_INDEX:
            raise Refused(f"a signature of {name} names no time")
    message = text.encode()
    if kind == COSIGNATURE:
        message = f"cosignature/v1\ntime {at_s}\n{text}".encode()
    if kind == MLDSA:
        signer, log = name.encode(), origin.encode()
        message = b"subtree/v1\n\0" + bytes([len(signer)]) + signer + struct.pack(">Q", at_s)
        message += bytes([len(log)]) + log + struct.pack(">QQ", 0, size) + root
    try:
        public.verify(signature, message)
    except InvalidSignature:
        raise Refused(f"a signature of {name} does not belong to this checkpoint") from None
    return at_s


def read_checkpoint(note: str, log_keys: list[Key], known: list[Key]) -> tuple[Note, int]:
    """A note that all keys of the log signed, without a line by a key that is not known here."""
    parsed = read_note(note)
    if parsed.origin != log_keys[0].name:
        raise Refused(f"it is of the log {parsed.origin}")
    signed_at_s = max(check_signature(key, parsed) for key in log_keys)
    if not set(parsed.signatures) <= {(key.name, key.id) for key in known}:
        raise Refused("it has a signature line by a key that is not in the bundle")
    return parsed, signed_at_s


# The tree: RFC 6962 hashing, the verification algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2.


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def climb(start: bytes, steps: list[bytes], fn: int, sn: int) -> tuple[bytes, bytes]:
    left = both = start
    for step in steps:
        if sn == 0:
            raise Refused("the path is longer than the tree is high")
        if fn & 1 or fn == sn:
            left, both = node_hash(step, left), node_hash(step, both)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            both = node_hash(both, step)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Refused("the path is shorter than the tree is high")
    return left, both


def check_inclusion(leaf_hash: bytes, index: int, size: int, path: list[bytes], root: bytes) -> None:
    if index >= size:
        raise Refused(f"there is no leaf {index} in a tree of {size}")
    if climb(leaf_hash, path, index, size - 1)[1] != root:
        raise Refused("the path leads to another root")


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> None:
    if old > new:
        raise Refused(f"a tree of {old} is no prefix of one of {new}")
    if old in (0, new):
        expected = new_root if old == new else hashlib.sha256(b"").digest()
        if path or old_root != expected:
            raise Refused("the path should be empty, or the old root is another one")
        return
    if not path:
        raise Refused("the path is empty")
    steps = path if old & (old - 1) else [old_root, *path]
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    if climb(steps[0], steps[1:], fn, sn) != (old_root, new_root):
        raise Refused("the path leads to other roots")


# Timestamps: RFC 3161.


def check_timestamp(token: bytes, text: str, roots: list[bytes]) -> int | None:
    """When the authority says the text existed; None when the library that can tell is not installed."""
    try:
        import rfc3161_client
    except ImportError:
        return None
    from cryptography import x509

    try:
        certificates = [certificate for pem in roots for certificate in x509.load_pem_x509_certificates(pem)]
        for certificate in certificates:
            if certificate.issuer == certificate.subject:
                certificate.verify_directly_issued_by(certificate)
        response = rfc3161_client.decode_timestamp_response(token)
        if response.status != 0:
            raise Refused(f"the authority's status is {response.status}, not granted")
        rfc3161_client.VerifierBuilder(roots=certificates).build().verify_message(response, text.encode())
        return int(response.tst_info.gen_time.timestamp())
    except Refused:
        raise
    except Exception as error:  # what the libraries raise for damaged bytes is open-ended
        raise Refused(str(error) or type(error).__name__) from error


def as_pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


# Anchors: a checkpoint with a day, signed with SLH-DSA (FIPS 205).

ANCHOR_KEY_BYTES = {
    f"SLH-DSA-{hashing}-{bits}{speed}": bits // 4
    for hashing in ("SHA2", "SHAKE") for bits in (128, 192, 256) for speed in "sf"
}  # fmt: skip


ANNOUNCED = ("default", "node", "announce anchor key")


def check_anchor(part: Table, mark: Note) -> Table:
    """What an anchor says; `checked` is false when the library that can tell is not installed."""
    algorithm = part["algorithm"]
    if algorithm not in ANCHOR_KEY_BYTES:
        raise Refused(f"{algorithm} does not sign with hashes alone")
    key = decode_base64(part["key"])
    if len(key) != ANCHOR_KEY_BYTES[algorithm]:
        raise Refused("its key has another length")
    anchor = read_note(part["note"], extensions=1)
    day = re.fullmatch(r"anchor ([0-9]{4}-[0-9]{2}-[0-9]{2})", anchor.text.split("\n")[3])
    name = f"{anchor.origin}/anchor"
    identifier = hashlib.sha256(f"{name}\n".encode() + b"\xff" + algorithm.encode() + b"\n" + key).digest()[:4]
    if day is None or set(anchor.signatures) != {(name, identifier)}:
        raise Refused("it names no day, or is not signed by its key alone")
    if anchor[1:4] != mark[1:4]:
        raise Refused("it is of another checkpoint")
    packed = b"\x83\xa3use\xaapublic-key\xa9algorithm" + bytes([0xA0 + len(algorithm)]) + algorithm.encode()
    packed += b"\xa5bytes\xc4" + bytes([len(key)]) + key
    found = hashlib.sha256(packed).hexdigest()
    announced = part.get("announcement")
    if announced is not None:
        check_announcement(announced, mark, found)
    tie = announced["index"] if announced else None
    said = {"size": mark.size, "day": day[1], "key": found, "announced": tie, "checked": True}
    try:
        import pqcrypto
        import pqcrypto.sign
    except ImportError:
        return said | {"checked": False}
    library = getattr(pqcrypto.sign, algorithm.lower().replace("-", "_"))
    try:
        library.verify(key, anchor.text.encode(), anchor.signatures[name, identifier], b"")
    except (pqcrypto.InvalidSignatureError, ValueError):
        raise Refused("its signature does not belong to it") from None
    return said


def check_announcement(part: Table, mark: Note, key: str) -> None:
    """That the log, as it was anchored, says that the key with this fingerprint signs its anchors."""
    leaf_hash = hashlib.sha256(b"\x00" + part["leaf"].encode()).digest()
    check_inclusion(leaf_hash, part["index"], mark.size, [bytes.fromhex(step) for step in part["path"]], mark.root)
    said = read_leaf(part["leaf"])
    if [said[name] for name in ("tenant", "actor", "action", "subject")] != [*ANNOUNCED, key]:
        raise Refused("the entry with it does not announce its key")


# Entries: a leaf is metadata and a commitment, SHA-256(domain || salt || payload).

COMMITMENT_DOMAIN = b"phalanx/ledger/payload/v1\x00"
LEAF_TEXTS = {"action", "actor", "case", "id", "kind", "subject", "tenant", "trace"}


def read_leaf(text: str) -> Table:
    try:
        leaf = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"it is no JSON: {error}") from error
    if not isinstance(leaf, dict) or leaf.get("kind") != "ledger-entry" or leaf.get("v") not in (1, 2):
        raise Refused("it is no ledger entry of a known version")
    own = {"body"} if leaf["v"] == 1 else {"commitment", "custody"}
    if set(leaf) != LEAF_TEXTS | {"at_ns", "v"} | own or not all(is_text(leaf[name]) for name in LEAF_TEXTS):
        raise Refused("its fields are not those of an entry")
    if type(leaf["at_ns"]) is not int or type(leaf["v"]) is not int:
        raise Refused("its time is no number")
    if leaf["v"] == 1 and not isinstance(leaf["body"], dict):
        raise Refused("its body is no table")
    if leaf["v"] == 2 and not (is_hash(leaf["commitment"]) and is_list(is_text, 1 << 16)(leaf["custody"])):
        raise Refused("its commitment or its custody is not what it should be")
    return {"commitment": "", "custody": [], **leaf}


def check_entry(entry: Table, bundle: Table, head: Note) -> tuple[Table, str | None]:
    """The leaf, and the body to be shown (None when it is not disclosed)."""
    where, leaf = f"entry {entry['index']}", entry["leaf"].encode()
    hashed = hashlib.sha256(b"\x00" + leaf).digest()
    if hashed.hex() != entry["leaf_hash"]:
        raise Broken("leaf", where, f"its hash is {hashed.hex()}")
    path = [bytes.fromhex(step) for step in entry["path"]]
    at("path", where, check_inclusion, hashed, entry["index"], head.size, path, head.root)
    said = at("leaf", where, read_leaf, entry["leaf"])
    if (said["tenant"], said["case"]) != (bundle["tenant"], bundle["case"]):
        raise Broken("leaf", where, "it is of another tenant or case")
    if not said["commitment"]:
        if entry["payload"] is not None:
            raise Broken("commitment", where, "its leaf holds the body and commits to no payload")
        return said, entry["leaf"]
    if entry["payload"] is not None:
        committed = COMMITMENT_DOMAIN + bytes.fromhex(entry["salt"]) + entry["payload"].encode()
        if hashlib.sha256(committed).hexdigest() != said["commitment"]:
            raise Broken("commitment", where, "payload and salt are not the ones its leaf commits to")
    return said, entry["payload"]


# The timeline: follows from everything above, byte for byte.

ESCAPED = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F), (0x2028, 0x202E),
    (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F),
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_US = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
LAST_US = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def plain(text: str) -> str:
    escaped = (f"\\u{{{ord(c):x}}}" if any(a <= ord(c) <= b for a, b in ESCAPED) else c for c in text)
    return "".join(escaped)


def iso(at_ns: int) -> str:
    stamp = EPOCH + timedelta(microseconds=min(max(at_ns // 1_000, FIRST_US), LAST_US))
    return stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")


def timeline(
    bundle: Table,
    head: Note,
    signed_at_s: int,
    cosigned: list[tuple[str, int]],
    stamps: list[tuple[int, int | None]],
    anchors: list[Table],
    told: list[tuple[Table, str | None]],
) -> str:
    lines = [
        "# Timeline",
        "",
        f"    case         {plain(bundle['case'])}",
        f"    tenant       {plain(bundle['tenant'])}",
        f"    ledger       {plain(head.origin)}",
        f"    signed by    {bundle['log']['fingerprint']}",
        f"    checkpoint   {head.size} entries, signed {iso(signed_at_s * 10**9)}",
    ]
    lines += [f"    cosigned by  {plain(name)}, {iso(at_s * 10**9)}" for name, at_s in cosigned]
    lines += [f"    timestamped  at {size} entries" for size, _ in stamps]
    lines += [f"    anchored     at {anchor['size']} entries, {anchor['day']}" for anchor in anchors]
    for entry, (said, body) in zip(bundle["entries"], told, strict=True):
        lines += ["", f"## {iso(said['at_ns'])} · entry {entry['index']}", ""]
        lines += [f"    {name:<8} {plain(said[name])}" for name in ("actor", "action", "subject")]
        lines += [f"    custody  {plain(name)}" for name in said["custody"]]
        lines.append(f"    body     {'not disclosed' if body is None else plain(body)}")
        lines.append(f"    leaf     {entry['leaf_hash']}")
    return "\n".join(lines) + "\n"


# Everything in order.


def at(link: str, where: str, check: Callable[..., T], *arguments: Any) -> T:
    """Runs a check; what it refuses is broken at this link."""
    try:
        return check(*arguments)
    except Refused as error:
        raise Broken(link, where, str(error)) from error


def verify(data: bytes, pinned: str = "", authority: bytes = b"") -> Table:
    """What a bundle proves, as a table; raises `Broken` naming the first link that does not hold."""
    bundle = read_document(data)
    log_keys = at("key", "the signer", read_keys, bundle["log"]["keys"], (NOTE, MLDSA))
    found = fingerprint(log_keys)
    if log_keys[0].name != bundle["log"]["origin"] or found != bundle["log"]["fingerprint"]:
        raise Broken("key", "the signer", f"its keys are of {log_keys[0].name}, fingerprint {found}")
    if pinned and found != pinned.lower():
        raise Broken("key", "the signer", f"it is {found}, not the expected {pinned.lower()}")
    witnesses = []
    for number, part in enumerate(bundle["witnesses"]):
        keys = at("key", f"witness {number}", read_keys, part["keys"], (COSIGNATURE, MLDSA))
        if keys[0].name != part["name"]:
            raise Broken("key", f"witness {number}", f"its keys are of {keys[0].name}")
        witnesses.append(keys)

    known = [*log_keys, *(key for keys in witnesses for key in keys)]
    head, signed_at_s = at("checkpoint", "the checkpoint", read_checkpoint, bundle["checkpoint"], log_keys, known)
    cosigned = []
    for keys in witnesses:
        times = [at("cosignature", keys[0].name, check_signature, key, head) for key in keys]
        cosigned.append((keys[0].name, min(times)))

    marks, stamps = [], []
    for number, part in enumerate(bundle["marks"]):
        mark, _ = at("checkpoint", f"mark {number}", read_checkpoint, part["note"], log_keys, log_keys)
        path = [bytes.fromhex(step) for step in part["path"]]
        at("consistency", f"mark {number}", check_consistency, mark.size, head.size, mark.root, head.root, path)
        marks.append(mark)
    for number, (part, mark) in enumerate(zip(bundle["marks"], marks, strict=True)):
        if part["timestamp"] is None:
            continue
        link = "timestamp", f"mark {number}"
        token = at(*link, decode_base64, part["timestamp"]["token"])
        roots = [at(*link, decode_base64, root) for root in part["timestamp"]["roots"]]
        pems = [authority] if authority else [as_pem(root) for root in roots]
        stamps.append((mark.size, at(*link, check_timestamp, token, mark.text, pems)))

    anchors = [
        at("anchor", f"mark {number}", check_anchor, part["anchor"], mark)
        for number, (part, mark) in enumerate(zip(bundle["marks"], marks, strict=True))
        if part["anchor"] is not None
    ]

    told = [check_entry(entry, bundle, head) for entry in bundle["entries"]]
    if timeline(bundle, head, signed_at_s, cosigned, stamps, anchors, told) != bundle["timeline"]:
        raise Broken("timeline", "the bundle", "it does not tell what the entries say")
    return {
        "case": bundle["case"],
        "tenant": bundle["tenant"],
        "origin": head.origin,
        "signer": found,
        "size": head.size,
        "root": head.root.hex(),
        "signed_at_s": signed_at_s,
        "entries": [entry["index"] for entry in bundle["entries"]],
        "undisclosed": sum(body is None for _, body in told),
        "witnesses": [{"name": name, "cosigned_at_s": at_s} for name, at_s in cosigned],
        "timestamps": [{"size": size, "at_s": at_s} for size, at_s in stamps],
        "anchors": anchors,
    }


def main(arguments: list[str]) -> int:
    import argparse

    if not arguments:
        print(__doc__)
        return 0
    parser = argparse.ArgumentParser(description="Verify an evidence bundle of a Phalanx ledger.")
    parser.add_argument("bundle")
    parser.add_argument("--key", default="", metavar="FINGERPRINT", help="fingerprint that the signer must have")
    parser.add_argument("--tsa-ca", metavar="FILE", help="certificates (PEM) that timestamps must lead to")
    parser.add_argument("--timeline", action="store_true", help="print the timeline, once it is verified")
    parser.add_argument("--json", action="store_true", help="print what was verified as JSON")
    given = parser.parse_args(arguments)
    try:
        data = Path(given.bundle).read_bytes()
        authority = Path(given.tsa_ca).read_bytes() if given.tsa_ca else b""
    except OSError as error:
        parser.error(str(error))
    try:
        proved = verify(data, given.key, authority)
    except Broken as error:
        print(plain(str(error)), file=sys.stderr)
        return 6
    if given.timeline:
        print(json.loads(data)["timeline"])
    if given.json:
        print(json.dumps(proved, indent=1))
        return 0
    print(f"verified: {len(proved['entries'])} entries of case {plain(proved['case'])}")
    print(f"checkpoint of {proved['size']} entries, root {proved['root']}")
    print(f"signed by {proved['signer']}" + ("" if given.key else " (compare it, or pin it with --key)"))
    for witness in proved["witnesses"]:
        print(f"cosigned by {witness['name']}, {iso(witness['cosigned_at_s'] * 10**9)}")
    for stamp in proved["timestamps"]:
        told = "not checked: rfc3161-client is not installed" if stamp["at_s"] is None else iso(stamp["at_s"] * 10**9)
        print(f"timestamp on {stamp['size']} entries: {told}")
    for anchor in proved["anchors"]:
        checked = f"by {anchor['key']}" if anchor["checked"] else "not checked: pqcrypto is not installed"
        tie = "nothing ties its key to the ledger (a file of version 1)"
        if anchor["announced"] is not None:
            tie = f"its key is announced by entry {anchor['announced']}"
        print(f"anchored at {anchor['size']} entries, {anchor['day']}, {checked}; {tie}")
    if proved["undisclosed"]:
        print(f"{proved['undisclosed']} payloads are not in the file: gone, or not disclosed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
