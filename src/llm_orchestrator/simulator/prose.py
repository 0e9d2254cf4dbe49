"""Plain English for answers that nobody has to read: varied, on the topic, repeatable."""

from __future__ import annotations

import re
from typing import Final

from llm_orchestrator.simulator.draw import Draw

_STOP: Final = frozenset(
    "about above after again against because before being below between both could does doing "
    "down during each every exactly explain from give have having here into just like make more "
    "most much must only other over please same should some such than that their them then there "
    "these they this those through tell under until very want what when where which while will "
    "with words would write your sentence sentences answer question following reply short".split()
)

_OPENINGS: Final = (
    "The short answer is that {topic} depends on {factor}.",
    "With {topic}, the first thing to look at is {factor}.",
    "People often treat {topic} as one question, but it is really about {factor}.",
    "In practice {topic} comes down to {factor}.",
    "A useful way to think about {topic} is to start from {factor}.",
    "Most of what matters in {topic} is decided by {factor}.",
)

_MIDDLES: Final = (
    "When {factor} changes, {topic} usually changes with it, though rarely by the same amount.",
    "It helps to {action} before drawing a conclusion.",
    "Two teams with the same goal can still reach different results, because {factor} differs.",
    "A small trial is cheap: {action}, and compare the outcome with what you expected.",
    "The common mistake is to ignore {factor} until it becomes expensive.",
    "If you can, {action}; the extra hour pays for itself within a week.",
    "Older advice on {topic} assumed that {factor} stays fixed, which is seldom true today.",
    "There is a limit, of course: beyond a certain point {factor} brings little.",
    "Experience suggests that {topic} rewards patience more than cleverness.",
    "Write down what you assume about {factor}, then {action}.",
)

_ENDINGS: Final = (
    "Taken together, that makes {topic} easier to plan than it first appears.",
    "So begin small, keep notes, and let {factor} guide the next step.",
    "None of this is final, but it is a sound place to start.",
    "If only one thing is done, it should be to {action}.",
    "That is why {factor} deserves attention early on.",
)

_FACTORS: Final = (
    "the size of the audience",
    "how often the data is refreshed",
    "the cost of a wrong decision",
    "who maintains it afterwards",
    "the quality of the first draft",
    "how quickly feedback arrives",
    "the time that is left",
    "what people already know",
    "the weakest supplier in the chain",
    "the difference between the average and the worst day",
    "a clear measure of success",
    "the season and the weather",
)

_ACTIONS: Final = (
    "measure the current state",
    "ask the people who do the work",
    "change one thing at a time",
    "keep the old version beside the new one",
    "check the figures against a second source",
    "set a date for the review",
    "remove a step and see who notices",
    "sketch the simplest version that could work",
)


def topic_of(prompt: str, draw: Draw) -> str:
    """A word or two from the prompt that an answer can be about."""
    words = [w.lower() for w in re.findall(r"[A-Za-z][A-Za-z'-]{3,}", prompt[:20_000])]
    known = [w for w in dict.fromkeys(words) if w not in _STOP]
    if not known:
        return "the subject"
    start = draw.below(len(known))
    return "the " + " ".join(known[start : start + 1 + draw.below(2)])


def paragraph(prompt: str, sentences: int, draw: Draw) -> str:
    """This many sentences on the topic of the prompt."""
    topic = topic_of(prompt, draw)
    middles = sorted(_MIDDLES, key=lambda _: draw.fraction())
    shapes = [draw.pick(_OPENINGS)]
    shapes += [middles[number % len(middles)] for number in range(sentences - 2)]
    if sentences > 1:
        shapes.append(draw.pick(_ENDINGS))
    lines = [
        shape.format(topic=topic, factor=draw.pick(_FACTORS), action=draw.pick(_ACTIONS))
        for shape in shapes
    ]
    return " ".join(lines)


def words(prompt: str, number: int, draw: Draw) -> str:
    """Exactly this many words on the topic of the prompt."""
    text: list[str] = []
    while len(text) < number:
        text += paragraph(prompt, 6, draw).split()
    cut = text[:number]
    cut[-1] = cut[-1].rstrip(".,;:") + "."
    return " ".join(cut)
