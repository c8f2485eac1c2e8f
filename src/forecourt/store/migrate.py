"""Opening a database: an empty one gets today's tables at once, an older one is migrated by Alembic.

Alembic is imported only where there is something to migrate; it costs more than everything else of opening a store.
"""

from __future__ import annotations

from pathlib import Path

from forecourt.store.errors import StoreUnavailable
from forecourt.store.sqlite import Connection, Sqlite

# The newest revision in `migrations/versions`.
HEAD = "0002"

_VERSION_TABLE = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"


def bring_up_to_date(database: Sqlite) -> None:
    connection = database.writer
    tables = database.tables(connection)
    if not tables:
        _create(database, connection)
    elif "alembic_version" not in tables:
        raise StoreUnavailable("The store is not available: its file is a database, but not one of Forecourt")
    elif _version(connection) != HEAD:
        _upgrade(database, connection)


def _create(database: Sqlite, connection: Connection) -> None:
    connection.begin()
    database.create(connection)
    connection.run(_VERSION_TABLE, {})
    connection.run("INSERT INTO alembic_version VALUES (:head)", {"head": HEAD})
    connection.commit()


def _version(connection: Connection) -> str | None:
    rows = connection.fetch("SELECT version_num FROM alembic_version", {})
    return str(rows[0][0]) if rows else None


def _upgrade(database: Sqlite, connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"engine": database.engine(connection)})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise StoreUnavailable(
            "The data folder was written by a newer Forecourt: upgrade Forecourt, or choose another folder with --data."
        ) from None
