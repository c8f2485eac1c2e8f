"""Can the address be listened on? Asked before anything else is set up, so that the answer is a sentence."""

from __future__ import annotations

import errno
import socket


class PortTaken(Exception):
    """The address cannot be listened on. The message says why and what to do."""


def check_port(host: str, port: int) -> None:
    """Raises `PortTaken` where `host:port` cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(_reason(error, host, port)) from error


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use. Stop what uses it, or choose another with --port."
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than this user has. Choose one above 1023."
    return f"cannot listen on {host}:{port}: {error.strerror}"
