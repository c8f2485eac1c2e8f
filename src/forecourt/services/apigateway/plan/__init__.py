"""The data plane: a deployed API as a compiled plan.

Read `messages.py` (what a request is on its way), `compile.py` (how a plan is made), `plan.py` (how it answers),
`registry.py` (which plan answers). Errors of the gateway itself: `errors.py` and `gateway_responses.py`.
"""
