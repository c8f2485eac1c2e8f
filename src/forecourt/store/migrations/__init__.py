"""Alembic's scripts: how data folders of earlier versions come to look like `schema.py`."""
