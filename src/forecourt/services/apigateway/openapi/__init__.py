"""OpenAPI 2.0 and 3.0 with API Gateway's extensions: read into a `Definition`, put into an API, written from one.

document.py (text to data) -> reading.py (data to `Definition`) -> importing.py (`Definition` into the store's
documents); exporting.py goes the other way, from a `Snapshot`. Only importing.py knows the store.
"""
