"""Alembic migrations: expand now, contract a release later."""
