"""What moto keeps for its own tests and never lets go, cut back now and then so that a long run does not grow.

Every message that a topic ever sent, every receipt handle that was ever used up. Nothing that a client may ask for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

_SENT_NOTIFICATIONS = 100
# A handle used up so long ago that its queue has used up as many since is no longer known as one.
_DELETED_MESSAGES = 20_000


def trim() -> None:
    """Runs on moto's thread."""
    for backend in _backends("moto.sns.models", "sns_backends"):
        for topic in backend.topics.values():
            del topic.sent_notifications[:-_SENT_NOTIFICATIONS]
    for backend in _backends("moto.sqs.models", "sqs_backends"):
        for queue in backend.queues.values():
            if len(queue.deleted_messages) > _DELETED_MESSAGES:
                queue.deleted_messages.clear()


def _backends(module: str, name: str) -> Iterator[Any]:
    """Those of all accounts and regions, if the service is in use."""
    services = getattr(sys.modules.get(module), name, {})
    for regions in list(services.values()):
        yield from list(regions.values())
