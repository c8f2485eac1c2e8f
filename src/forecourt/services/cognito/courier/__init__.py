"""Mail and text messages out of the house: SMTP, a webhook for SMS, and otherwise a local mailbox."""

from forecourt.services.cognito.courier.courier import Courier
from forecourt.services.cognito.courier.mailbox import Mailbox

__all__ = ["Courier", "Mailbox"]
