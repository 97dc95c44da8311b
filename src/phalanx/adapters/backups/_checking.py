"""Looks whether a backup is what was taken: its list, its signature, every byte of every file, and nothing besides."""

from collections.abc import Callable
from pathlib import Path

from phalanx.adapters._limits import MAX_MANIFEST_BYTES
from phalanx.adapters.backups._copying import hash_file, walk
from phalanx.adapters.backups._errors import BackupRefused
from phalanx.adapters.backups._manifest import DATA, MANIFEST, SIGNATURE, BackupFile, NotSigned, Signed, read_manifest
from phalanx.adapters.backups._moment import STATE, check_sqlite
from phalanx.core import InvalidInput, NotFound, StorageCorrupt
from phalanx.crypto import HybridSigner, InvalidKey

_OWN = frozenset({MANIFEST, SIGNATURE})
NODE_KEY = "keys/node.key"


def read_backup(folder: Path, *, fingerprint: str = "", digest: str = "") -> Signed:
    """The list of the backup in ``folder``, its signature checked; the files are not looked at.

    ``fingerprint`` is the node's, and ``digest`` the list's, when they are known. Raises ``BackupRefused`` and
    ``NotFound``.
    """
    try:
        if (folder / MANIFEST).stat().st_size > MAX_MANIFEST_BYTES:
            raise BackupRefused(str(folder), f"its {MANIFEST} is too long to be one")
        data, signature = (folder / MANIFEST).read_bytes(), (folder / SIGNATURE).read_bytes()
    except FileNotFoundError as error:
        hint = "a folder whose name ends in .part is unfinished: run `phalanx backup create` again" if (
            folder.with_name(f"{folder.name}.part").exists() or folder.name.endswith(".part")
        ) else ""  # fmt: skip
        raise NotFound("backup in", str(folder), hint=hint) from error
    except OSError as error:
        raise InvalidInput(str(folder), f"cannot be read: {error.strerror}") from error
    try:
        signed = read_manifest(data, signature)
    except NotSigned as error:
        raise BackupRefused(str(folder), str(error)) from error
    if digest and digest.lower() != signed.digest:
        raise BackupRefused(str(folder), f"its list has the digest {signed.digest}, not {digest}")
    if fingerprint and fingerprint.lower() != signed.manifest.fingerprint:
        raise BackupRefused(str(folder), f"it is of the node {signed.manifest.fingerprint}, not {fingerprint}")
    return signed


def check_backup(folder: Path, signed: Signed, progress: Callable[[str, int, int], None]) -> None:
    """Every file of the list is there as it was, and no other; raises ``BackupRefused``."""
    manifest = signed.manifest
    listed = {one.path for one in manifest.files}
    try:
        found = walk(folder, lambda path: path in _OWN)
    except OSError as error:
        raise InvalidInput(str(folder), f"cannot be read: {error.strerror}") from error
    if more := sorted(found.keys() - listed):
        raise BackupRefused(str(folder), f"{more[0]} is in it, and not in its list" + _others(more))
    if missing := sorted(listed - found.keys()):
        raise BackupRefused(str(folder), f"{missing[0]} is in its list, and not in it" + _others(missing))
    done = 0

    def told(n: int) -> None:
        nonlocal done
        done += n
        progress("checking", done, manifest.total_bytes)

    for one in manifest.files:
        _check_file(folder, one, told)
    _check_inside(folder, signed)


def _check_file(folder: Path, one: BackupFile, told: Callable[[int], None]) -> None:
    try:
        found = hash_file(folder / one.path, told)
    except OSError as error:
        raise BackupRefused(str(folder), f"{one.path} cannot be read: {error.strerror}") from error
    if found.size != one.size:
        raise BackupRefused(str(folder), f"{one.path} has {found.size} bytes, and had {one.size}")
    if found.sha256 != one.sha256:
        raise BackupRefused(str(folder), f"{one.path} was changed: its hash is another one")


def _check_inside(folder: Path, signed: Signed) -> None:
    """The rows can be read, and the key in it is the one that signed."""
    state, key = folder / DATA / STATE, folder / DATA / NODE_KEY
    try:
        if state.exists():
            check_sqlite(state)
        signer = HybridSigner.from_bytes(key.read_bytes()) if key.exists() else None
    except (StorageCorrupt, InvalidKey) as error:
        raise BackupRefused(str(folder), error.message) from error
    if signer is not None and signer.public.fingerprint != signed.manifest.fingerprint:
        raise BackupRefused(str(folder), f"its list is not signed by the key in {DATA}/{NODE_KEY}")


def _others(paths: list[str]) -> str:
    return f", and {len(paths) - 1} more are like that" if len(paths) > 1 else ""
