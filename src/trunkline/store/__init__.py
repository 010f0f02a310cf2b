"""Persistence: one repository per aggregate, each call under a tenant's scope; one thread for hot writes."""

from trunkline.store.journals import BindingJournal, RecordJournal
from trunkline.store.secret_box import SecretBox
from trunkline.store.store import Store
from trunkline.store.writer import Writer

__all__ = ["BindingJournal", "RecordJournal", "SecretBox", "Store", "Writer"]
