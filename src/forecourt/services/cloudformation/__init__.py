"""AWS CloudFormation: templates become resources of the services that run here.

`template/` is the language, pure: text -> sections -> values. `plan.py` decides, for one resource, what a change
means to it. `resources/` knows, by type, which calls make, change and delete it; what has no row there fails its stack.
`run/` carries an operation out, step by step, each recorded before and after. Every call goes through the dispatcher as
the stack's role or as whoever asked: what CloudFormation made is the same as what a client made, and as permitted.
"""

from forecourt.services.cloudformation.service import CloudFormation

__all__ = ["CloudFormation"]
