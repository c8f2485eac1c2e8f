"""Benchmarks, side by side in one run: `python -m bench`, or one alone: `python -m bench gateway`.

Machines are shared and noisy, so what counts is the ratio to something else measured in the same run. Each server is
pinned to one core, the load generator and the backend to the other.
"""
