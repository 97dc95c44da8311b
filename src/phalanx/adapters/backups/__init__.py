"""Backups of a node: a copy of its data folder while it runs, checked, and put back.

Errors::

    PhalanxError
    ├── BackupRefused   a backup is not what was taken
    └── NoRoom          a copy would not fit
"""

from phalanx.adapters.backups._checking import check_backup, read_backup
from phalanx.adapters.backups._errors import BackupRefused, NoRoom
from phalanx.adapters.backups._manifest import DATA, DUMP, BackupFile, Manifest, Signed, sign_manifest
from phalanx.adapters.backups._moment import STATE, Moment, SqliteMoment
from phalanx.adapters.backups._putting_back import MARK, occupied, put_back
from phalanx.adapters.backups._taking import Progress, Taking, require_owner

__all__ = [
    "DATA",
    "DUMP",
    "MARK",
    "STATE",
    "BackupFile",
    "BackupRefused",
    "Manifest",
    "Moment",
    "NoRoom",
    "Progress",
    "Signed",
    "SqliteMoment",
    "Taking",
    "check_backup",
    "occupied",
    "put_back",
    "read_backup",
    "require_owner",
    "sign_manifest",
]
