"""The history of the schema, oldest first. A released revision is never edited: add a new one."""
