"""Everything that can go wrong, once: the same class for the same fault on every wire.

    OrchestratorError
    ├── ConfigError                     the configuration is wrong; says which key and what to write
    ├── InvalidRequestError             the request is wrong; asking again would not help
    │   ├── ContextLengthError          longer than the model can read
    │   ├── UnsupportedError            the target lacks an ability; names what has it
    │   └── SchemaError                 an output schema outside the portable subset, with its path
    ├── AuthenticationError             the key is missing or refused (401)
    ├── PermissionDeniedError           the key may not do this (403)
    ├── ModelNotFoundError              no such model or provider; suggests near names
    ├── RateLimitError                  too many requests or tokens for now
    │   └── QuotaExhaustedError         out of credit or past a spend limit: waiting does not help
    ├── ContentFilterError              the provider refused the content
    ├── ServerError                     the provider failed (5xx)
    │   └── OverloadedError             the provider is overloaded (503, 529)
    ├── APIConnectionError              no connection, or it broke before the answer began
    ├── APITimeoutError                 no answer, no first token, or no progress in time
    ├── BadReplyError                   an answer that cannot be read
    │   ├── EmptyReplyError             an answer without content
    │   ├── TruncatedError              an answer that broke off; carries the text so far
    │   └── OutputError                 an answer that does not satisfy the output schema
    ├── BudgetError                     a cap would be passed
    ├── ApprovalRequiredError           somebody must consent first; carries the ticket
    ├── StoreError                      the ledger cannot be written or read
    └── ClosedError                     the orchestrator was closed

All of them carry ``provider, model, status_code, code, retry_after, request_id, retryable``,
``attempts`` and ``text`` (what had come of the answer), and survive pickling. No error ever holds
a key: text from outside is blanked first.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


class OrchestratorError(Exception):
    """Base of all errors. ``retry_after`` is in seconds; ``attempts`` lists what was tried."""

    retryable: ClassVar[bool] = False
    """Whether asking the same target again may help."""
    failover: ClassVar[bool] = False
    """Whether asking another target may help."""
    text: str = ""
    """What had come of the answer when it broke off."""

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        status_code: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        attempts: Sequence[Any] = (),
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.status_code = status_code
        self.code = code
        self.retry_after = retry_after
        self.request_id = request_id
        self.attempts = tuple(attempts)
        for name, value in details.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        where = "/".join(part for part in (self.provider, self.model) if part)
        facts = [str(self.status_code)] if self.status_code else []
        if self.code and self.code not in self.message:
            facts.append(self.code)
        if self.request_id:
            facts.append(f"request {self.request_id}")
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} ({', '.join(facts)})" if facts else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(
    kind: type[OrchestratorError], message: str, state: dict[str, Any]
) -> OrchestratorError:
    error = kind.__new__(kind, message)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class ConfigError(OrchestratorError):
    """The configuration is wrong; the message says which key and what to write."""


class InvalidRequestError(OrchestratorError):
    """The request is wrong and would be refused again."""


class ContextLengthError(InvalidRequestError):
    """The request is longer than the model can read; a model with a larger context may take it."""

    failover = True


class UnsupportedError(InvalidRequestError):
    """The target lacks an ability; ``alternatives`` names what has it."""

    failover = True
    alternatives: tuple[str, ...] = ()


class SchemaError(InvalidRequestError):
    """An output schema that is none, or outside the portable subset; ``path`` says where."""

    path: str = ""


class AuthenticationError(OrchestratorError):
    """The key is missing or was refused."""

    failover = True


class PermissionDeniedError(OrchestratorError):
    """The key may not use this model or feature."""

    failover = True


class ModelNotFoundError(OrchestratorError):
    """No such model or provider; ``suggestions`` holds near names."""

    failover = True
    suggestions: tuple[str, ...] = ()


class RateLimitError(OrchestratorError):
    """Too many requests or tokens for now; ``retry_after`` says when, where known.

    ``unsent``: our own limiter refused it before anything was sent, for it would have waited too
    long.
    """

    retryable = True
    failover = True
    unsent: bool = False


class QuotaExhaustedError(RateLimitError):
    """Out of credit, past a spend limit or a daily quota: waiting a little does not help."""

    retryable = False


class ContentFilterError(OrchestratorError):
    """The provider refused the content; ``reason`` holds its words. Never routed around unasked."""

    reason: str = ""


class ServerError(OrchestratorError):
    """The provider failed."""

    retryable = True
    failover = True


class OverloadedError(ServerError):
    """The provider is overloaded."""


class APIConnectionError(OrchestratorError):
    """No connection, or it broke before the answer began."""

    retryable = True
    failover = True


class APITimeoutError(OrchestratorError):
    """Not in time. ``phase``: connect, first_token, idle or total.

    A silent route is not asked again: another one is, where there is one.
    """

    failover = True
    phase: str = ""


class BadReplyError(OrchestratorError):
    """An answer that cannot be read (HTML, broken JSON, missing fields)."""

    retryable = True
    failover = True


class EmptyReplyError(BadReplyError):
    """A success without any content."""


class TruncatedError(BadReplyError):
    """An answer that broke off before its terminal marker; ``text`` is what came so far."""


class OutputError(BadReplyError):
    """An answer that does not satisfy the output schema; ``text`` is the answer."""

    path: str = ""


class BudgetError(OrchestratorError):
    """A spending cap would be passed; nothing was sent.

    Where it is a budget's, ``budget`` names it; ``cap``, ``spent`` and ``held`` are its amounts in
    USD, ``hold`` is what the attempt could cost, and ``resets_at`` says when it begins anew.
    """

    budget: str = ""
    cap: "Decimal | None" = None
    spent: "Decimal | None" = None
    held: "Decimal | None" = None
    hold: "Decimal | None" = None
    resets_at: "datetime | None" = None


class ApprovalRequiredError(OrchestratorError):
    """The call is expected to cost more than may go out unasked; nothing was sent.

    ``ticket`` is what to approve; ``expected`` and ``most`` are USD, ``None`` is unknown. ``code``
    is waiting or rejected. Asked again after approval, the call goes through, once.
    """

    ticket: str = ""
    expected: "Decimal | None" = None
    most: "Decimal | None" = None


class StoreError(OrchestratorError):
    """The ledger cannot be written or read."""


class ClosedError(OrchestratorError):
    """The orchestrator was closed and takes no more calls."""
