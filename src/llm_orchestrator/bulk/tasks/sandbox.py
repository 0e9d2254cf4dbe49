"""Where templates run: they reach nothing outside, and none of them goes on for ever."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from threading import local
from typing import Any

import msgspec
from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

STEPS = 100_000
"""Rounds of loops and calls that one text may take."""
LONGEST = 1 << 26
"""Characters or elements that a repeated value may have."""
_BITS = 4096
"""The most bits that a computed number may have."""
_COUNTED = "rounds"
_now = local()


def text_of(value: Any) -> str:
    """A value as it stands in a prompt."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return msgspec.json.encode(value).decode()
    return str(value)  # of an undefined one this raises


class _Sandbox(ImmutableSandboxedEnvironment):
    """Counts calls, so that macros that call themselves come to an end, and bounds products."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """A product or a power; raises `OverflowError` for one that is absurdly large."""
        if operator == "**":
            _check_power(left, right)
        else:
            _check_product(left, right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call from a template."""
        _step()
        return super().call(context, obj, *args, **kwargs)


def _check_power(base: Any, exponent: Any) -> None:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > _BITS:
        raise OverflowError("this power is too large")


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > _BITS:
            raise OverflowError("this product is too large")
        return
    value, times = (right, left) if isinstance(left, int) else (left, right)
    if isinstance(times, int) and hasattr(value, "__len__") and len(value) * times > LONGEST:
        raise OverflowError(f"this is longer than {LONGEST:,}")


def compiled(tree: nodes.Template) -> Callable[..., str]:
    """What renders the parsed template. Its text may raise whatever the template does."""
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
    made = environment().from_string(tree).render

    def render(row: Any) -> str:
        _now.left = STEPS
        return made(row)

    return render


@cache
def environment() -> ImmutableSandboxedEnvironment:
    """The sandbox; it has no global names but ``range``."""
    made = _Sandbox(undefined=StrictUndefined, finalize=text_of, autoescape=False)
    made.globals = {"range": made.globals["range"]}
    made.filters[_COUNTED] = _rounds
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return made


@pass_context
def _rounds(_context: Context, values: Iterable[Any]) -> Iterator[Any]:
    """The values of a loop. The context keeps the compiler from computing it beforehand."""
    for value in values:
        _step()
        yield value


def _step() -> None:
    _now.left -= 1
    if _now.left < 0:
        raise OverflowError(f"it takes more than {STEPS:,} rounds and calls: does it end?")
