"""Runs the migrations on the connection that `store.migrate` hands over, all of them in one transaction."""

from __future__ import annotations

from alembic import context

from forecourt.store.schema import metadata

with context.config.attributes["engine"].begin() as connection:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none by itself, as we open it
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    context.run_migrations()
