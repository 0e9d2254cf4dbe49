"""The one exception of the simulator: a request that a provider would refuse."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818  it reads as what it is: raise Refusal(404, ...)
    """An error reply. Each wire turns it into its own body and headers.

    `type`, `code`, `param` and `details` are the provider's words; an empty `type` means the
    usual one for the status. `retry_after` is in seconds; `outcome` is the word for the log.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "",
        code: str | None = None,
        param: str | None = None,
        details: dict[str, Any] | None = None,
        retry_after: float | None = None,
        outcome: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.details = details
        self.retry_after = retry_after
        self.outcome = outcome or f"{status} {code or type or 'refused'}"
