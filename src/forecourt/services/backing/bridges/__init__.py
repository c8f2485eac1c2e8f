"""Where moto would hand something on outside of itself, a `Delivery` is noted. All of it on moto's thread.

The places are a topic's subscription (`topics`), a bucket's notification (`buckets`), a rule's target (`targets`) and a
secret's rotation (`secrets`). What moto hands on to another of its own services (a topic to a queue, a rule to a queue)
stays with moto, where that one's policy lets it in (`admission`).
"""

from __future__ import annotations

from forecourt.services.backing.admission import Admission
from forecourt.services.backing.bridges import buckets, notes, secrets, targets, topics
from forecourt.services.backing.bridges.notes import noted

__all__ = ["install", "noted"]


def install(admission: Admission) -> None:
    """Takes moto's places, once; `admission` decides from now on."""
    if notes.decide_by(admission):
        return
    for places in (topics, buckets, targets, secrets):
        places.install()
