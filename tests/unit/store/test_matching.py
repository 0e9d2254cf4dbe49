"""Which budgets an attempt is charged to."""

from typing import Any

import pytest

from llm_orchestrator.store.matching import Book, Caller
from llm_orchestrator.types.budget import Budget

NOON = 1_750_000_000_000_000


def budget(name: str, **more: Any) -> Budget:
    scope, _, subject = name.partition(" ")
    given: dict[str, Any] = {"id": name.replace(" ", "_"), "scope": scope, "subject": subject}
    return Budget(**given | {"cap_pico": 1} | more)


def caller(
    session: str | None = None,
    user: str | None = None,
    key: str | None = None,
    tags: str | None = None,
    at: int = NOON,
) -> Caller:
    return Caller(session, user, key, tags, at)


@pytest.mark.parametrize(
    ("names", "who", "expected"),
    [
        (["global"], caller(), ["global total"]),
        (["user ana", "user bob"], caller(user="ana"), ["user_ana total"]),
        (["user"], caller(user="ana"), ["user total/ana"]),
        (["user"], caller(), []),
        (["user", "user ana"], caller(user="ana"), ["user_ana total"]),
        (["session", "run"], caller(session="s"), ["session total/s"]),
        (["run"], caller(tags='{"run":"r"}'), ["run total/r"]),
        (["run r"], caller(tags='{"run":"r"}'), ["run_r total"]),
        (["key k"], caller(key="k"), ["key_k total"]),
        (["tag team=a"], caller(tags='{"team":"a"}'), ["tag_team=a total"]),
        (["tag team=a"], caller(tags='{"team":"b"}'), []),
        (["tag team"], caller(tags='{"team":"b"}'), ["tag_team total/team=b"]),
        (["tag team", "tag team=a"], caller(tags='{"team":"a"}'), ["tag_team=a total"]),
        (
            ["global", "user", "tag x"],
            caller(user="ana", tags='{"x":"1"}'),
            ["global total", "tag_x total/x=1", "user total/ana"],
        ),
        (["user"], caller(user="a\nb"), ["user total/a b"]),  # a key is one line
    ],
)
def test_who_is_charged(names: list[str], who: Caller, expected: list[str]) -> None:
    charges = Book([budget(name) for name in names]).charges(who)
    assert list(charges.keys) == expected
    assert charges.text == "\n".join(expected)


def test_one_of_another_period_stays_beside() -> None:
    book = Book([budget("user", period="day"), budget("user ana")])
    assert list(book.charges(caller(user="ana")).keys) == ["user 2025-06-15/ana", "user_ana total"]


def test_what_is_remembered_ends_with_its_period() -> None:
    book = Book([budget("global", period="day"), budget("user", period="month")])
    first = book.charges(caller(user="ana"))
    assert book.charges(caller(user="ana", at=NOON + 1)) is first
    later = book.charges(caller(user="ana", at=NOON + 86_400 * 10**6))
    assert list(later.keys) == ["global 2025-06-16", "user 2025-06/ana"]
    again = book.charges(caller(user="ana"))  # what began before midnight may come after it
    assert again.keys == first.keys


def test_many_callers_do_not_fill_the_memory() -> None:
    book = Book([budget("user")])
    for number in range(10_000):
        book.charges(caller(user=str(number)))
    assert len(book._known) <= 4096
