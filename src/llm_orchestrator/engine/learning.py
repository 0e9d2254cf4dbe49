"""Learning from verdicts: what a call leaves behind, what is fitted to it, and who uses that."""

import logging
import threading
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from llm_orchestrator.engine.labels import CATEGORY
from llm_orchestrator.errors import InvalidRequestError, StoreError
from llm_orchestrator.routing.base import Answer, Record
from llm_orchestrator.routing.pieces import Pieces, pack, pieces, unpack
from llm_orchestrator.routing.prior import LearnedPrior
from llm_orchestrator.routing.skill import ENOUGH, Skill
from llm_orchestrator.store.feedback import Features, Feedback
from llm_orchestrator.types.request import Request

log = logging.getLogger("llm_orchestrator")

_TAGS = ("step", "workflow_step", "endpoint", "task")
"""Tags that name the kind of a prompt, where the call names no category."""
_FRESH_S = 60.0
"""What was read is good for so long, though another process may learn more meanwhile."""
_PATIENCE_S = 1.0
"""How long the first call waits for the store."""
_GROWTH = 0.2
"""More labels than were learned from, as a share, after which it is learned anew."""


class Lesson(msgspec.Struct, frozen=True):
    """What a call asks, how that looks, and of which kind it is."""

    prompt: str
    """The text of the user's last message. It is not kept."""
    words: Pieces
    category: str | None

    def written(self) -> str:
        """What the ledger keeps: no text."""
        return Features(pack(self.words), self.category).written()


def lesson(request: Request, category: str, tags: Mapping[str, Any] | None) -> Lesson:
    """What is known of a call beforehand."""
    users = [one for one in request.messages if one.role == "user"]
    prompt = users[-1].text if users else ""
    return Lesson(prompt, pieces(prompt), kind(request, category, tags))


def kind(request: Request, category: str, tags: Mapping[str, Any] | None) -> str | None:
    """The kind of a prompt: its category, the tag that names one, or its system prompt's hash."""
    if category != CATEGORY:
        return category
    for name in _TAGS:
        if tags and (value := tags.get(name)):
            return f"{name}:{value}"
    system = "\n".join(one.text for one in request.messages if one.role == "system")
    if not system:
        return None
    return f"system:{sha256(system.encode('utf-8', 'replace')).hexdigest()[:16]}"


class Taught(msgspec.Struct, frozen=True):
    """What a fit learned of one model."""

    model: str
    labels: int
    """Verdicts that it was learned from: those on calls that were made with `routing.learn`."""
    known: bool
    """Whether these are enough to say anything."""


def due(labels: int, learned: int) -> bool:
    """Whether so many more labels have come that learning anew is worth its time."""
    return labels >= ENOUGH and labels >= learned * (1 + _GROWTH)


def fit(store: Feedback, *, only: str | None = None, anew: bool = True) -> list[Taught]:
    """Learn from all verdicts in a store, of all models or one; takes about 2 s for 10,000.

    Without ``anew``, what was learned from nearly as many labels stays. Raises `StoreError`.
    """
    taught = []
    learned = {} if anew else store.learned()
    for count in store.counts():
        if only is not None and count.model != only:
            continue
        if not anew and not due(count.labels, learned.get(count.model, (0, 0))[0]):
            continue
        skill = _skill(store, count.model)
        store.keep(count.model, skill.encode(), count.labels)
        taught.append(Taught(count.model, skill.labels, skill.labels >= ENOUGH))
    return taught


def _skill(store: Feedback, model: str) -> Skill:
    prompts: list[Pieces] = []
    kinds: list[str | None] = []
    right: list[float] = []
    for label in store.labels(model):
        try:
            prompts.append(unpack(label.features))
        except ValueError:
            continue  # of another version
        kinds.append(label.category)
        right.append(label.verdict)
    return Skill.fit(prompts, kinds, right)


class Skills:
    """What was learned of each model, from the store: read when it is first asked for, then aside.

    May be asked from any thread.
    """

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._skills: dict[str, tuple[int, Skill]] = {}
        self._next = 0.0
        self._read: threading.Event | None = None
        self._told = False

    def of(self, model: str) -> Skill | None:
        """What was learned of ``provider/model``; ``None`` is nothing."""
        self._begin()
        found = self._skills.get(model)
        return found[1] if found else None

    def again(self) -> None:
        """Read anew when next asked: something was learned here."""
        self._next = 0.0

    def record(self, model: str, lesson: Lesson) -> Record | None:
        """How often the model was right on such prompts; ``None`` where that is not known."""
        skill = self.of(model)
        if skill is None:
            return None
        found = skill.estimate(lesson.words, lesson.category)
        if not found.known:
            return None
        asked = skill.categories[lesson.category][0] if lesson.category else skill.labels
        return Record(right=min(max(found.right, 0.0), 1.0) * asked, asked=asked)

    def prior(self, weak: str, strong: str) -> LearnedPrior:
        """The prior over two models."""
        return LearnedPrior(self.of(weak), self.of(strong))

    def _begin(self) -> None:
        with self._lock:
            now = time.monotonic()
            first = self._read is None
            if now < self._next:
                return
            self._next = now + _FRESH_S
            self._read = done = threading.Event()
        threading.Thread(target=self._load, args=(done,), name="llmo-skills", daemon=True).start()
        if first:
            done.wait(_PATIENCE_S)

    def _load(self, done: threading.Event) -> None:
        try:
            store = Feedback(self._url)
            learned = store.learned()
            stale = [
                name for name, (_, at) in learned.items() if self._skills.get(name, (0,))[0] != at
            ]
            for name, kept in store.kept(stale).items() if stale else ():
                self._skills[name] = (kept.updated_at, Skill.decode(kept.body))
        except (StoreError, ValueError) as error:
            if not self._told:
                self._told = True
                log.warning("what was learned cannot be read (%s): calls go on without it", error)
        finally:
            done.set()


class Learned:
    """Estimates for the signal `learned`: how likely an answer to a prompt is right."""

    def __init__(self, skills: Skills, lesson: Lesson) -> None:
        self._skills = skills
        self._lesson = lesson

    def __call__(self, request: Request, answer: Answer) -> float | None:
        """From 0 to 1; ``None``: too little is known of such prompts."""
        del request  # its lesson was taken when the call was prepared
        skill = self._skills.of(answer.name)
        if skill is None:
            return None
        found = skill.estimate(self._lesson.words, self._lesson.category)
        return min(max(found.right, 0.0), 1.0) if found.known else None


def pair(
    store: Feedback, weak: str | None = None, strong: str | None = None
) -> tuple[LearnedPrior, tuple[str, str]]:
    """The prior over two models by name, and their names; empty where nothing was learned.

    A model may be named without its provider. Left out, they are the two that something was learned
    of, the less right one first. Raises `InvalidRequestError` for a model that nothing was learned
    of, and where two of several must be named.
    """
    kept = store.kept()
    skills = {name: Skill.decode(one.body) for name, one in kept.items()}
    names = [_named(one, skills) if one else None for one in (weak, strong)]
    rest = sorted((one for one in skills if one not in names), key=lambda one: skills[one].mean)
    if len(rest) > names.count(None) and None in names:
        raise InvalidRequestError(
            f"something was learned of {len(skills)} models: name the weak and the strong one of "
            f"{', '.join(sorted(skills))}"
        )
    found = [name if name is not None else rest.pop(0) if rest else "" for name in names]
    one, two = found
    return LearnedPrior(skills.get(one), skills.get(two)), (one, two)


def _named(name: str, skills: Mapping[str, Skill]) -> str:
    found = [one for one in skills if one == name or one.partition("/")[2] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidRequestError(f"{name} is several: {', '.join(sorted(found))}")
    known = f"only of {', '.join(sorted(skills))}" if skills else "nor of any other"
    raise InvalidRequestError(f"nothing was learned of {name}, {known}")
