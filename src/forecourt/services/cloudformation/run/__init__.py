"""The durable shell: `runner` keeps operations going, `phases` says what follows what (`forward`, `back`, `away`),
`steps` does one thing to one resource (`attempt`), `walk` takes resources in their order, `journal` commits what is
known before and after.

After `kill -9` an operation goes on in the phase that was committed: what is complete is found complete, and a step
that was begun is taken again with the same names and tokens.
"""
