"""Alembic's scripts: ``env`` runs them, ``versions`` holds one module for each change of the schema."""
