"""What became of an action, as the API answers it."""

from api.acting import STORED, Told
from api.approval_views import ReceiptView
from domain.approval import Action, Verdict


def receipt_view(action: Action, told: Told) -> ReceiptView:
    """The receipt; without one, the promise that the action is stored."""
    receipt = told.receipt
    if receipt is None:
        return ReceiptView(
            action_id=action.action_id, kind="stored", message=STORED, verdict=Verdict.PENDING, stands=False
        )
    return ReceiptView(
        action_id=receipt.action_id,
        kind=receipt.kind,
        message=receipt.message,
        verdict=receipt.verdict,
        stands=receipt.stands,
    )
