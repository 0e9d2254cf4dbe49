"""Closed forms and formulas: two of them are the same when they have the same value.

Variables get fixed values that nobody chose, so that ``(x+1)^2`` and ``x^2 + 2x + 1`` meet and
formulas that differ do not.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from hashlib import sha256
from typing import TypeAlias

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<command>\\[A-Za-z]+)|(?P<word>[A-Za-z]+)"
    r"|(?P<sign>\*\*|[-+*/^(){}\[\]!|_]))"
)
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos, "tan": math.tan, "ln": math.log,
    "log": math.log10, "exp": math.exp, "arcsin": math.asin, "arccos": math.acos,
    "arctan": math.atan, "abs": abs,
}  # fmt: skip
_CONSTANTS = {"pi": math.pi, "e": math.e}
_GREEK = {"alpha", "beta", "gamma", "theta", "lambda", "mu", "phi", "omega", "rho", "sigma", "tau"}
_LONGEST = 200
_LARGEST = 10**60

Value: TypeAlias = Fraction | float


class NotAFormulaError(Exception):
    """The text is something else."""


def value(text: str) -> tuple[Value, bool] | None:
    """The value of a formula and whether it has variables; ``None`` when it is none.

    Values are exact where all that is in them is.
    """
    if len(text) > _LONGEST:
        return None
    try:
        reader = _Reader(_tokens(text))
        found = reader.sum()
        if reader.at < len(reader.tokens):
            return None
    except (NotAFormulaError, ValueError, OverflowError, ZeroDivisionError, RecursionError):
        return None
    if isinstance(found, float) and not math.isfinite(found):
        return None
    return found, reader.variables


def _tokens(text: str) -> list[str]:
    out: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise NotAFormulaError
        token = found[0].strip()
        if found["word"] and token.lower() not in _FUNCTIONS and token != "pi":
            if len(token) > 3:
                raise NotAFormulaError  # a word of a language
            out += token  # xy is x times y
        else:
            out.append(token)
        at = found.end()
    return out


class _Reader:
    """Recursive descent over tokens; what stands side by side is multiplied."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0
        self.variables = False
        self.depth = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.peek()
        if not token or (expected and token not in expected):
            raise NotAFormulaError
        self.at += 1
        return token

    def sum(self) -> Value:
        self.depth += 1
        if self.depth > 30:
            raise NotAFormulaError
        sign = -1 if self.peek() in {"-", "+"} and self.take() == "-" else 1
        total: Value = sign * self.product()
        while self.peek() in {"+", "-"}:
            total = _add(total, self.product() if self.take() == "+" else -self.product())
        self.depth -= 1
        return total

    def product(self) -> Value:
        total = self.power()
        while token := self.peek():
            if token in {"*", "/"}:
                self.take()
                right = self.signed()
                total = _times(total, right) if token == "*" else _over(total, right)
            elif token in {"+", "-", ")", "}", "]", "|", "^", "**", "!", "_"}:
                break
            else:
                total = _times(total, self.power())
        return total

    def signed(self) -> Value:
        if self.peek() == "-":
            self.take()
            return -self.power()
        return self.power()

    def power(self) -> Value:
        base = self.atom()
        while self.peek() == "!":
            self.take()
            base = _factorial(base)
        if self.peek() in {"^", "**"}:
            self.take()
            exponent = self.signed()
            base = _raise(base, exponent)
        return base

    def atom(self) -> Value:
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            return Fraction(token)
        if token in {"(", "{", "["}:
            inner = self.sum()
            self.take({"(": ")", "{": "}", "[": "]"}[token])
            return inner
        name = token.lstrip("\\")
        if name == "frac":
            return _over(self.argument(), self.argument())
        if name == "sqrt" and self.peek() == "[":
            self.take("[")
            degree = self.sum()
            self.take("]")
            return _raise(self.argument(), _over(Fraction(1), degree))
        if name in _FUNCTIONS:
            return _call(name, self.argument())
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in _GREEK or (len(name) == 1 and name.isalpha() and token == name):
            self.variables = True
            if self.peek() == "_":
                self.take()
                index = self.take()
                if index == "{":
                    index = self.take()
                    self.take("}")
                name += "_" + index
            return _chosen(name)
        raise NotAFormulaError

    def argument(self) -> Value:
        """What a command or a function is applied to: a group, or the next digit or power."""
        if self.peek() in {"{", "("}:
            return self.atom()
        token = self.peek()
        if token.isdigit() and len(token) > 1 and self.tokens[self.at - 1].startswith("\\"):
            # \frac12 and \sqrt22: one digit each.
            self.tokens[self.at : self.at + 1] = list(token)
        return self.atom()


def _chosen(name: str) -> float:
    """The value of a variable: the same for the same name, between 1 and 2."""
    return 1 + int.from_bytes(sha256(name.encode()).digest()[:6], "big") / 2**48


def _checked(found: Value) -> Value:
    if not -_LARGEST <= found <= _LARGEST or (
        isinstance(found, Fraction) and found.denominator > _LARGEST
    ):
        raise NotAFormulaError
    return found


def _add(one: Value, other: Value) -> Value:
    return _checked(one + other)


def _times(one: Value, other: Value) -> Value:
    return _checked(one * other)


def _over(one: Value, other: Value) -> Value:
    return _checked(one / other)


def _raise(base: Value, exponent: Value) -> Value:
    if not -400 <= exponent <= 400:
        raise NotAFormulaError
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        if isinstance(base, Fraction) and base != 0:
            size: int = max(abs(base.numerator), base.denominator)
            if abs(int(exponent)) * size.bit_length() > 220:
                raise NotAFormulaError
        return _checked(_power(base, int(exponent)))
    if base < 0:
        raise NotAFormulaError
    if exponent == Fraction(1, 2):
        return _call("sqrt", base)
    return _checked(float(base) ** float(exponent))


def _power(base: Value, exponent: int) -> Value:
    found: Value = base**exponent
    return found


def _call(name: str, argument: Value) -> Value:
    if name == "abs":
        return argument if argument >= 0 else -argument
    if name == "sqrt" and isinstance(argument, Fraction) and argument >= 0:
        root = Fraction(math.isqrt(argument.numerator), math.isqrt(argument.denominator))
        if root * root == argument:
            return root
    return _checked(float(_FUNCTIONS[name](float(argument))))


def _factorial(base: Value) -> Value:
    if not isinstance(base, Fraction) or base.denominator != 1 or not 0 <= base <= 40:
        raise NotAFormulaError
    return Fraction(math.factorial(int(base)))
