"""Threat protection: lock-out after failures, risk of a sign-in, compromised passwords, the history of events."""

from forecourt.services.cognito.threat.protection import Threat

__all__ = ["Threat"]
