"""The durable shell around the pure machine: load, advance, commit, perform.

- `shell.py`: one inbox per execution; what a turn decided is committed before it is performed.
- `stored.py`: how an execution's state, history, timers and pending work lie in the store; `persist.py` writes them,
  `history.py` reads the history, `pending.py` is the stored form of outside work.
- `committer.py`: groups the commits of many executions into one transaction.
- `timers.py`: a year-long Wait is a row in the store; one alarm is set for the earliest.
- `work.py`: performs tasks, and resumes what was pending when the process died.
- `express.py`: the same machine with nothing stored.
- `maprun.py`: distributed maps; `mapstate.py` reads the state, `items.py` the items, `crowd.py` drives the children.
- `activities.py`, `logs.py`, `metrics.py`, `retention.py`, `rehearsal.py`: what their names say.

Start reading at `shell.py`.
"""
