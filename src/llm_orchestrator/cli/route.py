"""``llmo route``: what a prompt asks of a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from llm_orchestrator.cli.scoring import Guesser

_TASK, _BY = "What to do", "What it goes by"


def _option(*names: str, metavar: str, help: str, panel: str) -> object:
    return typer.Option(
        *names, metavar=metavar, help=help, show_default=False, rich_help_panel=panel
    )


Prompt = Annotated[
    str | None,
    _option("-p", "--prompt", metavar="TEXT", help="Tell of this prompt.", panel=_TASK),
]
Score = Annotated[
    str | None,
    _option(
        "--score",
        metavar="FILE",
        help='Print a number for each line: JSON lines `{"prompt": ..., "category": ...}`, or '
        "a prompt a line; `-` is standard input. Higher needs the strong model more.",
        panel=_TASK,
    ),
]
Fit = Annotated[
    bool,
    typer.Option("--fit", metavar="", help="Learn from all feedback, now.", rich_help_panel=_TASK),
]
Category = Annotated[
    str | None,
    _option(
        "--category",
        metavar="NAME",
        help="Of which kind prompts are that do not say it.",
        panel=_BY,
    ),
]
Scorer = Annotated[
    str,
    typer.Option(
        "--scorer",
        metavar="NAME",
        help="prior (what was learned), complexity (the classic rule), or a plug-in.",
        rich_help_panel=_BY,
    ),
]
Train = Annotated[
    str | None,
    _option(
        "--train",
        metavar="FILE",
        help='Learn from graded prompts, JSON lines `{"prompt": ..., "category": ..., '
        '"weak": 0, "strong": 1}`, instead of feedback.',
        panel=_BY,
    ),
]
ModelFile = Annotated[
    Path | None,
    _option(
        "--model-file",
        metavar="FILE",
        help="Where --train keeps what it learned; without --train, what to go by.",
        panel=_BY,
    ),
]
Weak = Annotated[
    str | None,
    _option("--weak", metavar="MODEL", help="The weak one of two models.", panel=_BY),
]
Strong = Annotated[
    str | None,
    _option("--strong", metavar="MODEL", help="The strong one.", panel=_BY),
]


def route(
    prompt: Prompt = None,
    score: Score = None,
    fit: Fit = False,
    category: Category = None,
    scorer: Scorer = "prior",
    train: Train = None,
    model_file: ModelFile = None,
    weak: Weak = None,
    strong: Strong = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show how much a prompt needs a strong model, and whether that is known."""
    tasks = [prompt is not None, score is not None, fit]
    if sum(tasks) > 1 or not (any(tasks) or (train and model_file)):
        raise typer.BadParameter("say one of -p, --score and --fit, or --train with --model-file")
    if fit:
        _fit(config, as_json=as_json)
        return
    if scorer != "prior" and (train or model_file or weak or strong):
        raise typer.BadParameter(f"--scorer {scorer} learns nothing")
    guess = _guesser(scorer, train, model_file, weak, strong, config)
    if score is not None:
        _score(guess, score, category)
    elif prompt is not None:
        _show(guess, prompt, category, as_json=as_json)


def _guesser(
    scorer: str,
    train: str | None,
    model_file: Path | None,
    weak: str | None,
    strong: str | None,
    config: Path | None,
) -> "Guesser":
    from llm_orchestrator.cli import scoring

    if scorer != "prior":
        return scoring.by_name(scorer)
    if (prior := scoring.taught(train, model_file)) is not None:
        return prior.guess
    from llm_orchestrator.engine.learning import pair

    prior, _ = pair(scoring.store(config), weak, strong)
    if prior.weak is None:
        output.note("Nothing was learned yet: a longer prompt scores higher, no more is known.")
    return prior.guess


def _score(guess: "Guesser", source: str, category: str | None) -> None:
    from llm_orchestrator.cli.scoring import prompts

    for one in prompts(source):
        found = guess(one.prompt, category if one.category is None else one.category)
        output.line(f"{found.score:.9g}")
        output.flush()  # whoever pipes prompts in one by one waits for it


def _show(guess: "Guesser", prompt: str, category: str | None, *, as_json: bool) -> None:
    from llm_orchestrator.routing.complexity import ComplexityAnalyzer

    rule, found = ComplexityAnalyzer.analyze(prompt), guess(prompt, category)
    if as_json:
        output.json(
            {
                "level": rule.level,
                "task_type": rule.task_type,
                "signs": rule.signs,
                "complexity": rule.score,
                "score": found.score,
                "known": found.known,
                "why": found.why,
            }
        )
        return
    signs = f" ({', '.join(rule.signs)})" if rule.signs else ""
    output.line(f"level      {rule.level}{signs}")
    output.line(f"task type  {rule.task_type}")
    output.line(f"score      {found.score:.3f}")
    output.line(f"known      {'yes' if found.known else 'no'}: {found.why}")
    if not found.known:
        output.note("Where it is not known, a cascade is the better way: llmo run -s fallback")


def _fit(config: Path | None, *, as_json: bool) -> None:
    from llm_orchestrator.cli import scoring
    from llm_orchestrator.engine import learning
    from llm_orchestrator.routing.skill import ENOUGH

    found = learning.fit(scoring.store(config))
    if as_json:
        output.json(found)
        return
    if not found:
        output.line("There is no feedback yet.")
        return
    rows = [
        (one.model, f"{one.labels:,}", "yes" if one.known else f"no, {ENOUGH} are needed")
        for one in found
    ]
    output.show(output.table(("model", "verdicts", "enough"), rows, right=("verdicts",)))
