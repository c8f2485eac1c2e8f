"""The policy language: parsed once, compiled, and evaluated with a reason. Pure.

    policy = compile_policy('{"Version": "2012-10-17", "Statement": …}')       # or raises PolicyInvalid, in IAM's words
    policy.evaluate(Request("execute-api:Invoke", arn, context_of({...})))      # one policy by itself
    evaluate(request, PolicySet(identity=[...], boundary=..., resource=...))    # everything that bears on a request

`pattern` compiles wildcards and variables, `conditions` the operators, `principals` the Principal element, `statement`
holds them together, `parse` reads and refuses, `policy` judges alone and `evaluate` judges over all layers.
"""

from forecourt.auth.policy.conditions import OPERATORS
from forecourt.auth.policy.evaluate import Decision, PolicySet, depends_on_circumstances, evaluate, keys_asked
from forecourt.auth.policy.parse import PolicyInvalid, PolicyKind
from forecourt.auth.policy.policy import Effect, Policy, Verdict, compile_policy
from forecourt.auth.policy.principals import Capacity
from forecourt.auth.policy.request import Deferred, Request, context_of

__all__ = [
    "OPERATORS",
    "Capacity",
    "Decision",
    "Deferred",
    "Effect",
    "Policy",
    "PolicyInvalid",
    "PolicyKind",
    "PolicySet",
    "Request",
    "Verdict",
    "compile_policy",
    "context_of",
    "depends_on_circumstances",
    "evaluate",
    "keys_asked",
]
