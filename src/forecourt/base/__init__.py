"""What every part of Forecourt may use: clock, ids, ARNs, errors, paging and the ports between services.

`base` imports nothing else of Forecourt. A service reaches another service only through the `Caller` port of
`base.call`, never by importing it.
"""
