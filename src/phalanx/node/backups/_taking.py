"""Takes a backup of a node, whether it runs or not."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from phalanx import __version__
from phalanx.adapters import OsEntropy, SystemClock, machine_name
from phalanx.adapters.backups import (
    DATA,
    STATE,
    Manifest,
    Progress,
    Signed,
    SqliteMoment,
    Taking,
    read_backup,
    require_owner,
    sign_manifest,
)
from phalanx.adapters.keys import read_private
from phalanx.adapters.storage import SqliteStore
from phalanx.core import InvalidInput, NotFound, StorageCorrupt, Uuid7Source
from phalanx.crypto import HybridSigner, InvalidKey
from phalanx.ledger import StoredHead, stored_head
from phalanx.node.settings._settings import Settings

_KEY, _ROOT_KEY = "keys/node.key", "keys/root.key"
_HINT = "name its folder with --data-dir, and run this as the node's user"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that is whole: ``signed`` is its list."""

    folder: Path
    signed: Signed


def back_up(
    settings: Settings, to: Path, progress: Progress, *, previous: Path | None = None, settings_file: Path | None = None
) -> BackedUp:  # fmt: skip
    """Copy everything that the node of ``settings`` keeps to the new folder ``to``.

    Files that ``previous``, an earlier backup, has too are linked instead of being copied. Raises ``InvalidInput``,
    ``NotFound``, ``NoRoom``, ``Unavailable``, ``BackupRefused`` for a ``previous`` that is none, and ``StorageCorrupt``
    when what would be copied is damaged.
    """
    folder = settings.node.data_dir
    if settings.store.kind == "postgres":
        raise InvalidInput(
            "store.kind", "the rows of this node are in PostgreSQL, and a folder alone is no backup of it",
            hint="docs/how-to/back-up.md says how database and folder are kept together",
        )  # fmt: skip
    require_owner(folder)
    signer = _signer(folder)
    fingerprint = signer.public.fingerprint
    before = None if previous is None else (previous, read_backup(previous, fingerprint=fingerprint))
    moment = SqliteMoment(folder / STATE)
    try:
        taking = Taking(folder, to, moment, progress, previous=before, settings=_beside(settings, settings_file))
        with taking.begun():
            copied = taking.take(f"{DATA}/{STATE}")
            head = asyncio.run(_head(taking.part / DATA / STATE, signer))
            files = sorted((*copied, taking.hashed(f"{DATA}/{STATE}")), key=lambda one: one.path)
            manifest = Manifest(
                id=new_id(), taken_at_ns=taking.taken_at_ns, node=settings.node.name, fingerprint=fingerprint,
                program=__version__, machine=machine_name(), data_dir=str(folder.resolve()), store="embedded",
                ledger_size=head.size, checkpoint=head.note, root_key=_root_key(settings), files=tuple(files),
            )  # fmt: skip
            taking.finish(files, *sign_manifest(manifest, signer))
    finally:
        moment.close()
    return BackedUp(to, read_backup(to, fingerprint=fingerprint))


def new_id() -> str:
    """An identifier for a backup, or for a restore."""
    return Uuid7Source(SystemClock(), lambda bits: int.from_bytes(OsEntropy().token(16)) >> (128 - bits)).new()


def _signer(folder: Path) -> HybridSigner:
    try:
        return HybridSigner.from_bytes(read_private(folder / _KEY))
    except FileNotFoundError as error:
        raise NotFound("node's data in", str(folder), hint=_HINT) from error
    except OSError as error:
        raise InvalidInput(str(folder / _KEY), error.strerror or str(error), hint=_HINT) from error
    except InvalidKey as error:
        raise StorageCorrupt(str(folder / _KEY), 0, error.message) from error


async def _head(state: Path, signer: HybridSigner) -> StoredHead:
    store = await SqliteStore.open(state)
    try:
        return await stored_head(store, signer.public)
    finally:
        await store.close()


def _beside(settings: Settings, file: Path | None) -> Mapping[str, Path]:
    """Files that the settings are made of, by their names in the backup."""
    found: dict[str, Path] = {}
    if file is not None:
        found["phalanx.toml"] = file
    if settings.intake.hosts_file is not None:
        found["hosts"] = settings.intake.hosts_file
    if settings.intake.rules_dir is not None:
        rules = settings.intake.rules_dir
        found |= {f"rules/{path.relative_to(rules)}": path for path in sorted(rules.rglob("*")) if path.is_file()}
    return found


def _root_key(settings: Settings) -> str:
    """What opens the vault of a node that is restored from this, in a sentence."""
    name, options, folder = settings.at_rest.wrapper, settings.at_rest.options, settings.node.data_dir
    if name == "file":
        path = folder / options.get("path", _ROOT_KEY)
        if path.resolve().is_relative_to(folder.resolve()):
            return "the root key is in the backup: whoever has it can read everything in it"
        return f"the root key is not in the backup: it lies in {path}"
    if name == "passphrase":
        return "the root key is in the backup, under the passphrase"
    if name == "keyring":
        entry = options.get("entry", f"root key of {folder.resolve()}")
        return f"the root key is under what the keyring of {machine_name()} keeps as {entry!r}"
    return f"the root key is in the backup, under a key that the wrapper {name!r} reaches"
