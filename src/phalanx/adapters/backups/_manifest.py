"""What a backup says of itself: its files with their hashes, and where the ledger stood, signed by the node's key.

The signature tells a backup that was changed from one that was not, to whoever knows the node's fingerprint. It does
not hide anything, and who has the node's key, which lies in the backup, can sign another list: for that the digest of
the list is printed when it is made, and can be asked for again.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from phalanx.crypto import CryptoError, HybridSigner, PublicKey

MANIFEST, SIGNATURE, DATA, SETTINGS, DUMP = "manifest.json", "manifest.sig", "data", "settings", "database.dump"
VERSION = 1
_LABEL = b"phalanx-backup/v1\x00"
_PATH = re.compile(r"(?!/)(?:(?!\.{1,2}(?:/|$))[^/\x00]+/)*(?!\.{1,2}$)[^/\x00]+")


class BackupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: its path below the backup's folder, its length and the SHA-256 of its bytes."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The list of a backup. ``taken_at_ns`` is the moment that all of it is of.

    ``ledger_size`` and ``checkpoint`` say where the ledger stood then. Of a node on PostgreSQL ``lsn`` is the same
    moment as the server calls it, and ``dumped`` whether the database is in the backup. ``data_dir`` and ``machine``
    are where the node ran, ``root_key`` is a sentence about what opens its vault.
    """

    format: Literal["phalanx-backup"] = "phalanx-backup"
    version: int = VERSION
    id: str
    taken_at_ns: int
    node: str
    fingerprint: str
    program: str
    machine: str
    data_dir: str
    store: Literal["embedded", "postgres"]
    lsn: str = ""
    dumped: bool = False
    ledger_size: int
    checkpoint: str
    root_key: str
    files: tuple[BackupFile, ...]

    @property
    def total_bytes(self) -> int:
        return sum(one.size for one in self.files)

    def to_bytes(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both signatures of a node's key under a list, and the key."""

    public_key: bytes
    classical: bytes
    post_quantum: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A list whose signature holds. ``digest`` is the SHA-256 of its bytes: what a person compares."""

    manifest: Manifest
    digest: str


class NotSigned(ValueError):
    """The list or its signature is not what it must be; the message says how."""


def sign_manifest(manifest: Manifest, signer: HybridSigner) -> tuple[bytes, bytes]:
    """The bytes of a list and those of its signature."""
    data = manifest.to_bytes()
    signed = _LABEL + data
    signature = Signature(
        signer.public.to_bytes(), signer.classical.sign(signed), signer.post_quantum.sign(signed)
    )  # fmt: skip
    return data, msgspec.json.format(msgspec.json.encode(signature), indent=1)


def read_manifest(data: bytes, signature: bytes) -> Signed:
    """What a list says, once both signatures of the key that it names hold; raises ``NotSigned``."""
    manifest = _decoded(data)
    try:
        found = msgspec.json.decode(signature, type=Signature)
        key = PublicKey.from_bytes(found.public_key)
        if key.fingerprint != manifest.fingerprint:
            raise NotSigned(f"it is of the node {manifest.fingerprint[:16]}…, and signed by {key.fingerprint[:16]}…")
        key.classical.verify(_LABEL + data, found.classical)
        key.post_quantum.verify(_LABEL + data, found.post_quantum)
    except (msgspec.DecodeError, CryptoError) as error:
        raise NotSigned(f"the signature of {MANIFEST} does not hold ({error})") from error
    return Signed(manifest, hashlib.sha256(data).hexdigest())


def _decoded(data: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(data, type=_Head).version
        if version > VERSION:
            raise NotSigned(f"it is of version {version}, and this program knows {VERSION}: use a newer one")
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise NotSigned(f"{MANIFEST} is not the list of a backup ({error})") from error
    paths = [one.path for one in manifest.files]
    if wrong := [path for path in paths if not _PATH.fullmatch(path)]:
        raise NotSigned(f"{MANIFEST} names {wrong[0]!r}, which is no path below it")
    if len(set(paths)) < len(paths):
        raise NotSigned(f"{MANIFEST} names a file twice")
    return manifest


class _Head(msgspec.Struct):
    version: int
