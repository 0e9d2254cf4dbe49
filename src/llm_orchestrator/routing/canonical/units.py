"""Units of measure and currencies: their names, and how they convert."""

import re
from fractions import Fraction
from functools import cache

_PREFIXES = {
    "n": "1e-9", "µ": "1e-6", "u": "1e-6", "m": "1e-3", "c": "1e-2", "k": "1e3", "M": "1e6",
    "G": "1e9",
}  # fmt: skip
_LONG_PREFIXES = {"nano": "1e-9", "micro": "1e-6", "milli": "1e-3", "centi": "1e-2", "kilo": "1e3",
                  "mega": "1e6", "giga": "1e9"}  # fmt: skip
# Symbol (case matters) and word, without prefix; both take prefixes.
_METRIC = {
    "m": "meter", "g": "gram", "s": "second", "L": "liter", "J": "joule", "W": "watt",
    "Pa": "pascal", "Hz": "hertz", "V": "volt", "A": "ampere", "N": "newton", "eV": "electronvolt",
    "mol": "mole", "Wh": "watthour", "cal": "calorie",
}  # fmt: skip
# Unit -> what it is, and how many of that. What converts only by convention stands for itself.
_OTHERS = {
    "inch": ("m", "0.0254"), "foot": ("m", "0.3048"), "yard": ("m", "0.9144"),
    "mile": ("m", "1609.344"), "tonne": ("g", "1e6"), "ounce": ("oz", "1"), "pound": ("oz", "16"),
    "ton": ("ton", "1"), "minute": ("s", "60"), "hour": ("s", "3600"), "day": ("s", "86400"),
    "week": ("s", "604800"), "month": ("month", "1"), "year": ("month", "12"),
    "decade": ("month", "120"), "century": ("month", "1200"), "gallon": ("gallon", "1"),
    "quart": ("gallon", "0.25"), "pint": ("gallon", "0.125"), "cup": ("cup", "1"),
    "tablespoon": ("tablespoon", "1"), "teaspoon": ("teaspoon", "1"), "acre": ("acre", "1"),
    "hectare": ("m^2", "1e4"), "dozen": ("dozen", "1"), "°": ("°", "1"), "radian": ("radian", "1"),
    "°C": ("°C", "1"), "°F": ("°F", "1"), "kelvin": ("kelvin", "1"), "byte": ("byte", "1"),
    "bit": ("bit", "1"), "km/h": ("m/s", "5/18"), "m/s": ("m/s", "1"), "mph": ("m/s", "0.44704"),
    "USD": ("USD", "1"), "cent": ("USD", "0.01"), "EUR": ("EUR", "1"), "GBP": ("GBP", "1"),
    "JPY": ("JPY", "1"), "INR": ("INR", "1"), "CNY": ("CNY", "1"), "KRW": ("KRW", "1"),
    "RUB": ("RUB", "1"), "CHF": ("CHF", "1"), "CAD": ("CAD", "1"), "AUD": ("AUD", "1"),
    "BRL": ("BRL", "1"), "MXN": ("MXN", "1"), "SEK": ("SEK", "1"), "%point": ("%point", "1"),
}  # fmt: skip
_NAMES = {
    "in": "inch", "inches": "inch",
    "ft": "foot", "feet": "foot", "yd": "yard", "mi": "mile", "oz": "ounce",
    "lb": "pound", "lbs": "pound", "min": "minute", "mins": "minute", "h": "hour", "hr": "hour",
    "hrs": "hour", "d": "day", "wk": "week", "yr": "year", "yrs": "year", "centuries": "century",
    "gal": "gallon", "tbsp": "tablespoon", "tsp": "teaspoon", "ha": "hectare", "t": "tonne",
    "metric ton": "tonne", "metric tons": "tonne", "degree": "°", "degrees": "°", "deg": "°",
    "rad": "radian", "radians": "radian", "degrees celsius": "°C", "celsius": "°C", "℃": "°C",
    "degrees fahrenheit": "°F", "fahrenheit": "°F", "℉": "°F", "K": "kelvin", "B": "byte",
    "kph": "km/h", "km/hr": "km/h", "kmh": "km/h", "kilometers per hour": "km/h",
    "km per hour": "km/h", "kilometres per hour": "km/h", "miles per hour": "mph", "mi/h": "mph",
    "meters per second": "m/s", "metres per second": "m/s", "sec": "s", "secs": "s", "l": "L",
    "amp": "A", "amps": "A", "hz": "Hz", "kwh": "kWh", "sq m": "m^2", "sqm": "m^2",
    "$": "USD", "us$": "USD", "dollar": "USD", "dollars": "USD", "usd": "USD", "US dollars": "USD",
    "¢": "cent", "cents": "cent", "€": "EUR", "euro": "EUR", "euros": "EUR", "eur": "EUR",
    "£": "GBP", "gbp": "GBP", "pounds sterling": "GBP", "¥": "JPY", "yen": "JPY", "jpy": "JPY",
    "₹": "INR", "rupee": "INR", "rupees": "INR", "inr": "INR", "yuan": "CNY", "rmb": "CNY",
    "cny": "CNY", "₩": "KRW", "won": "KRW", "₽": "RUB", "rubles": "RUB", "chf": "CHF",
    "percentage points": "%point", "percentage point": "%point",
}  # fmt: skip
CURRENCY = r"(?:US\$|A\$|C\$|[$€£¥₹₩₽]|\b(?:USD|EUR|GBP|JPY|INR|CNY|CHF|CAD|AUD|BRL|MXN|SEK)\b)"
"""What may stand before an amount."""
_BEFORE = {"US$": "USD", "A$": "AUD", "C$": "CAD"}
_POWER = re.compile(r"\s*(?:\^|\*\*)\s*\{?(-?\d+)\}?")


@cache
def _table() -> dict[str, tuple[str, Fraction]]:
    table = {name: (base, Fraction(factor)) for name, (base, factor) in _OTHERS.items()}
    for symbol, word in _METRIC.items():
        one = (symbol, Fraction(1))
        spellings = {word, word.replace("meter", "metre").replace("liter", "litre")}
        table |= {symbol: one, **dict.fromkeys(spellings, one)}
        for prefix, factor in _PREFIXES.items():
            table.setdefault(prefix + symbol, (symbol, Fraction(factor)))
        for prefix, factor in _LONG_PREFIXES.items():
            for spelled in spellings:
                table[prefix + spelled] = (symbol, Fraction(factor))
    for name in ("m", "cm", "mm", "km", "inch", "foot", "yard", "mile"):
        base, size = table[name]
        for power in (2, 3):
            table[f"{name}^{power}"] = (f"{base}^{power}", size**power)
    return table


_SQUARES = (("square ", 2), ("sq ", 2), ("sq. ", 2), ("cubic ", 3), ("cu ", 3))


def known(text: str) -> str | None:
    """The name of a unit however it is written; ``None`` when it is none."""
    text = _POWER.sub(r"^\1", text.strip()).replace("·", "*")
    for word, power in _SQUARES:
        if text.lower().startswith(word):
            inner = known(text[len(word) :])
            squared = f"{inner}^{power}" if inner else ""
            return squared if squared in _table() else None
    head, hat, power_text = text.partition("^")
    if hat and power_text in {"2", "3"} and (inner := known(head)):
        squared = f"{inner}^{power_text}"
        return squared if squared in _table() else None
    for spelling in (text, text.lower(), text.lower().removesuffix("s")):
        name = _BEFORE.get(spelling) or _NAMES.get(spelling, spelling)
        if name in _table():
            return name
    return None


def factors(one: str, other: str) -> tuple[Fraction, Fraction] | None:
    """How many of a common unit each of two units is; ``None`` when they do not convert."""
    table = _table()
    if one not in table or other not in table or table[one][0] != table[other][0]:
        return None
    return table[one][1], table[other][1]
