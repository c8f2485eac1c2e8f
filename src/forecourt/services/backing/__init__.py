"""Every other AWS service: moto in this process, or a remote endpoint per service.

`Backing` is the front (`backing.py`): HTTP requests as they came, and calls from inside. Behind it `embedded.py` runs
moto on its one thread, `journal.py` and `snapshot.py` make its writes durable, `shims.py` gives it our clock,
`remote.py` passes requests on, `client.py` is the client's side of AWS's protocols.
"""

from forecourt.services.backing.backing import Backing, Keep

__all__ = ["Backing", "Keep"]
