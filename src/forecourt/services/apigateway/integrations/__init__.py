"""The backends of a method, one module per kind of integration; each gives a handler that is built once.

`mapping.py`, `uri.py`, `headers.py` and `binary.py` hold what they share.
"""
