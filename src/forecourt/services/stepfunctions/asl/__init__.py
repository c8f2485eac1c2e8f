"""The Amazon States Language, pure: text -> diagnostics, text -> compiled machine, expressions -> values.

`validate.py` says what is wrong with a definition in AWS's words; `compile.py` turns a valid one into the objects of
`machine.py`, in which every path, template and expression is already compiled. Nothing here waits, logs or knows the
time: what an expression may see arrives in a `Scope`.

Start reading at `machine.py`. Specification: https://states-language.net/spec.html
"""
