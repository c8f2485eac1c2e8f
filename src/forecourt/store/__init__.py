"""Durable state: documents with declared indexes, event logs, task queues and notices of what changed.

    store = open_store(Path("data"), clock)          # None instead of a folder: in memory
    await store.write(lambda tx: tx.insert(api))     # returns when it is on the disk
    api = await store.get(RestApi, account, region, api_id)

What `write` runs is one transaction: all of it is kept or none, and nobody sees a part. Read on in `store.py` (the
front), `transaction.py` (what one can ask and change), `writer.py` (how commits are grouped), `document.py` (how an
entity is declared), `keys.py` (why keys sort), `sqlite.py` (the engine).
"""

from forecourt.store.changes import Change, Changes
from forecourt.store.document import Document, Index, position
from forecourt.store.errors import AlreadyExists, StoreUnavailable
from forecourt.store.store import Store, open_store
from forecourt.store.transaction import Task, Tx

__all__ = [
    "AlreadyExists",
    "Change",
    "Changes",
    "Document",
    "Index",
    "Store",
    "StoreUnavailable",
    "Task",
    "Tx",
    "open_store",
    "position",
]
