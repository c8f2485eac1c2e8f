"""What runs inside worker processes, shipped as files: our runtimes for Python and Node, and the guardian.

None of these modules is imported by Forecourt; `bootstrap.py` also runs under other versions of Python.
"""
