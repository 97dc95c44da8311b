"""What a node stores: stores, journals, blobs and tables, as files in a folder or in PostgreSQL."""

from phalanx.adapters.storage._blobs import FolderBlobs
from phalanx.adapters.storage._files import Files, OsFiles, lock_folder
from phalanx.adapters.storage._postgres_hold import hold_database
from phalanx.adapters.storage._postgres_journals import PostgresJournals
from phalanx.adapters.storage._postgres_late import LatePostgresStore
from phalanx.adapters.storage._postgres_store import PostgresStore
from phalanx.adapters.storage._segments import SegmentJournal, SegmentJournals
from phalanx.adapters.storage._shelf import FolderShelf
from phalanx.adapters.storage._sqlite import SqliteStore

__all__ = [
    "Files",
    "FolderBlobs",
    "FolderShelf",
    "LatePostgresStore",
    "OsFiles",
    "PostgresJournals",
    "PostgresStore",
    "SegmentJournal",
    "SegmentJournals",
    "SqliteStore",
    "hold_database",
    "lock_folder",
]
