"""What all repositories share.

A repository holds one aggregate. Its public methods take a scope first, enforce it in the query, and block:
coroutines call them through ``asyncio.to_thread``, or keep what they need in memory and write through the
journals.
"""

from __future__ import annotations

from trunkline.store.database import Database


class Repository:
    """Base of the repositories; a test walks all of them and proves their scopes."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database
