"""How many invocations of a function, and of an account in a region, may be at work at once. Pure.

A function with reserved concurrency has its own limit; all others share what is left of the account's.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""

from __future__ import annotations

from collections import Counter

from forecourt.services.functions.errors import TooManyRequestsException
from forecourt.services.functions.runtime.spec import FunctionSpec


class Concurrency:
    def __init__(self, account_limit: int) -> None:
        self.account_limit = account_limit
        self._functions: Counter[tuple[str, str, str]] = Counter()
        self._accounts: Counter[tuple[str, str]] = Counter()

    def enter(self, spec: FunctionSpec) -> None:
        """Raises `TooManyRequestsException`; otherwise `leave` must follow."""
        reserved = spec.reserved_concurrency
        if reserved is not None and self._functions[spec.function] >= reserved:
            raise TooManyRequestsException("Rate Exceeded.", Reason="ReservedFunctionConcurrentInvocationLimitExceeded")
        if reserved is None and self._accounts[spec.account, spec.region] >= self.account_limit:
            raise TooManyRequestsException("Rate Exceeded.", Reason="ConcurrentInvocationLimitExceeded")
        self._functions[spec.function] += 1
        self._accounts[spec.account, spec.region] += 1

    def leave(self, spec: FunctionSpec) -> None:
        self._functions[spec.function] -= 1
        self._accounts[spec.account, spec.region] -= 1
        if not self._functions[spec.function]:
            del self._functions[spec.function]

    def of(self, spec: FunctionSpec) -> int:
        return self._functions[spec.function]
