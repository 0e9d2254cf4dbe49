"""What a call used, in tokens, with one meaning whatever the wire says."""

import msgspec


class TokenCount(int):
    """A number of tokens that knows where it comes from.

    ``exact`` says that the provider counted them; else they are estimated here.
    """

    exact: bool

    def __new__(cls, tokens: int, *, exact: bool) -> "TokenCount":  # noqa: PYI034
        """The number with its origin."""
        found = super().__new__(cls, tokens)
        found.exact = exact
        return found

    def __reduce__(self) -> tuple[object, ...]:
        return _count, (int(self), self.exact)


def _count(tokens: int, exact: bool) -> TokenCount:  # noqa: FBT001
    return TokenCount(tokens, exact=exact)


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Tokens of one or more attempts.

    ``input_tokens`` always includes cached and cache-writing tokens; ``output_tokens`` always
    includes reasoning. ``estimated`` says that the provider did not report the numbers.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    """The part of ``cache_write_tokens`` that is kept for an hour."""
    reasoning_tokens: int = 0
    estimated: bool = False
    searches: int = 0
    """Web searches that the provider made for the answer; they are charged apart."""

    @property
    def total_tokens(self) -> int:
        """Input plus output."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
            self.searches + other.searches,
        )
