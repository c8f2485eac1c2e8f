"""The Lambda Runtime API and the environments that speak it.

`states` and `messages` are pure: what may happen in which order, and what the bytes look like. `session` holds one
environment's state and answers its endpoints; `server` is the HTTP listener that feeds it. `process` is the worker,
`output` its log, `environment` the whole of it: one worker, one listener, one invocation at a time.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""
