"""One node at a time on one database.

A session-level advisory lock on a connection of its own: it ends with the process, however
that ends. Should the connection break while the process lives, another node may start; the
journals, whose writer is fenced, then refuse the older one.
"""

import contextlib
from collections.abc import AsyncIterator

from phalanx.adapters.storage._postgres import import_asyncpg, said
from phalanx.core import Unavailable

_LOCK_CLASS = 0x70686C78  # "phlx"; the second key is the schema


@contextlib.asynccontextmanager
async def hold_database(dsn: str, *, schema: str = "phalanx") -> AsyncIterator[None]:
    """Hold ``schema`` of the database for this process; raises ``Unavailable`` when another has it."""
    asyncpg = import_asyncpg()
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable("PostgreSQL", said(error), hint="is the server running, is the address right?") from error
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", _LOCK_CLASS, schema):
            raise Unavailable(
                "the database", "another node is running on it", hint="stop that one, or give this one its own database"
            )
        yield
    finally:
        await connection.close()
