"""An ASGI server for HTTP/1.1 on the event loop that the application runs on.

It parses with llhttp, as the upstream client does, and shares thread and loop with the application: a request costs no
hand-over between threads, which is what makes it about three times as quick as Granian here (`docs/performance.md`).
It also knows how a client spelt its headers (`scope["header_names"]`), which a Lambda event shows.

`server` listens and cuts off who is too slow, `connection` reads requests off a socket, `exchange` is one request and
its response.
"""

from forecourt.edge.http1.server import Server

__all__ = ["Server"]
