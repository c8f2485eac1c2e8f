"""Why there is no (whole) response. Each says what the peer did; the caller decides what its own client hears."""

from __future__ import annotations


class UpstreamError(Exception):
    """No usable response came back."""


class ConnectFailed(UpstreamError):
    """Nothing was sent: the name does not resolve, nobody listens, TLS failed, or the pool is exhausted."""


class UnknownHost(ConnectFailed):
    """The origin's name does not resolve."""


class TlsFailed(ConnectFailed):
    """The origin's certificate is not to be trusted, or there was no agreement on how to speak."""


class TimedOut(UpstreamError):
    """The response was not there (or not whole) in time."""


class BadResponse(UpstreamError):
    """What came back is not HTTP, is ambiguous, or stopped midway."""


class ResponseTooLarge(UpstreamError):
    """The body, or the head, is larger than the reader accepts."""
