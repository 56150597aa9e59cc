"""Alembic's migrations, run when the gateway starts."""
