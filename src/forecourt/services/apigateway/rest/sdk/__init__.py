"""Clients generated from a stage: JavaScript and Python, each a zip without dependencies.

operations.py says what a client can call; javascript.py and python.py write it down; runtime.js and runtime.py, which
send and sign, go into the zip as they stand.
"""
