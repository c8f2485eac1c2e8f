"""Signing in: a small state machine whose state travels with the client.

    initiate ──► strategy's start ──► Challenge ──► respond ──► strategy's answer ──► …  ──► Passed ──► finish: tokens

- `attempt.py` is the state: whose attempt it is, what was passed, what may be answered now. It is sealed into the
  session token; a token works once.
- One file per strategy (`password`, `srp`, `custom`, `choice`, `one_time_code`, `totp`, `passkey`, `new_password`,
  `device`, `refresh`). A strategy judges one proof and nothing else.
- `steps.py` decides, purely, what comes next: new password, second factor, device, or tokens. So every flow gets every
  challenge.
- `flow.py` knows the tables of strategies; `finish.py` commits a success in one transaction.
"""
