"""Consent before calls that may be dear."""

from typing import Annotated

from msgspec import Meta

from llm_orchestrator.config.base import Seconds, Settings


class ApprovalSettings(Settings, frozen=True):
    """How calls above ``auto_approve_threshold_usd`` wait for somebody's consent."""

    wait: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(
            description="Seconds that a call waits to be approved. 0: it fails at once with its "
            "ticket, and goes through when it is asked again after `llmo approvals approve`."
        ),
    ] = 0.0
    expires: Annotated[
        Seconds, Meta(description="Seconds after which a ticket, decided or not, is void.")
    ] = 86_400.0
