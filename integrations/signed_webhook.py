"""Webhooks that are signed as Standard Webhooks are: id, time and body, with a secret that both sides know."""

from collections.abc import Mapping

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

_LONGEST_ID = 255


def signed_id(body: bytes, headers: Mapping[str, str], secret: str) -> str | None:
    """The id of the message, which stays the same when it is sent again; None for what this secret did not sign.

    What was signed more than five minutes ago, or will be, is not believed either.
    """
    message = headers.get("webhook-id", "")
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # no UTF-8, no base64, no list of signatures
        return None
    return message if len(message) <= _LONGEST_ID else None
