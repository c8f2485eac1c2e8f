"""Amazon Cognito user pools.

Start reading in `service.py` (what there is), `model.py` (what is kept), `auth/` (how one signs in), `tokens.py`.
"""

from forecourt.services.cognito.service import UserPools

__all__ = ["UserPools"]
