"""See it work: a real local model answers, then 244 posts go over two simulated accounts.

    make demo          (or: python examples/demo.py)

Nothing leaves this machine and no key is needed. The simulator is a server of fake providers with
a bill of its own; here it also fails on purpose. At the end, what our ledger says was spent stands
beside that bill. The exit code is 1 when the two differ or a post got no answer.
"""

import asyncio
import csv
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from llm_orchestrator import AsyncLLMOrchestrator, EndEvent, OrchestratorError
from llm_orchestrator.providers import local
from llm_orchestrator.store.reports import Filter, Reports

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".demo"
LEDGER, RESULTS = HOME / "ledger.db", HOME / "sentiment.csv"

QUESTION = "In one sentence: what does a lighthouse do?"
TASK = (
    "Is this post positive, negative or neutral? Add a confidence from 0 to 1 and a short reason."
)
OPENAI, CLAUDE = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"
IN_FLIGHT = 24
OUTAGE = {
    80: ("POST", {"fault": "unavailable", "provider": "openai"}),
    130: ("DELETE", None),
}
"""When so many posts are done, the OpenAI account goes down, and comes back."""

SIMULATOR = {
    "--port": "0",
    "--seed": "7",
    "--latency": "realistic",
    "--speed": "2",
    "--fault-rate": "0.09",
    "--fault-mix": json.dumps(
        {
            "rate-limit,retry_after=1": 4,
            "server-error": 3,
            "overloaded": 3,
            "reset": 3,
            "cut,after=5": 3,
            "bad-gateway": 1,
            "empty": 1,
        }
    ),
}

_screen = Console()
console = Console(width=min(_screen.width, 100) if _screen.is_terminal else 100, highlight=False)


@dataclass
class Verdict:
    """What the model is asked for; on the wire it becomes a JSON schema."""

    label: Literal["positive", "negative", "neutral"]
    confidence: float
    reason: str


@dataclass
class Tally:
    """What has become of the posts so far."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    lost: dict[str, OrchestratorError] = field(default_factory=dict)
    retried: int = 0
    failed_over: int = 0

    @property
    def done(self) -> int:
        """Posts that are through, well or not."""
        return len(self.verdicts) + len(self.lost)


def main() -> int:
    """Run all parts and give back the exit code."""
    began = time.perf_counter()
    prepare_home()
    with (HERE / "posts.csv").open(encoding="utf-8", newline="") as file:
        posts = list(csv.DictReader(file))
    with simulator() as url:
        code = asyncio.run(run(url, posts))
    console.print(f"\n[dim]{time.perf_counter() - began:.0f} seconds in all.[/]")
    return code


def prepare_home() -> None:
    """A folder of the demo's own: your real ledger stays as it is. Each run starts afresh."""
    HOME.mkdir(exist_ok=True)
    (HOME / ".gitignore").write_text("*\n")
    for old in HOME.glob("ledger.db*"):
        old.unlink()
    os.environ["LLMO_HOME"] = str(HOME)


@contextmanager
def simulator() -> Iterator[str]:
    """The address of a simulator in a process of its own; `llmo sim` starts the same."""
    place = HOME / "simulator.url"
    place.unlink(missing_ok=True)
    options = [word for pair in {**SIMULATOR, "--port-file": str(place)}.items() for word in pair]
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_orchestrator.simulator", *options], stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while not place.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the simulator did not start")
            time.sleep(0.02)
        yield place.read_text().strip()
    finally:
        process.terminate()
        process.wait(10)


async def run(url: str, posts: list[dict[str, str]]) -> int:
    """Ask, send, compare."""
    config = {
        "providers": {
            "openai": {"api_key": "sk-simulated-openai", "base_url": f"{url}/openai/v1"},
            "anthropic": {"api_key": "sk-simulated-claude", "base_url": f"{url}/anthropic/v1"},
        },
        "store": {"url": f"sqlite:///{LEDGER}"},
    }
    async with AsyncLLMOrchestrator(config) as orchestrator:
        await ask_local(orchestrator)
        tally = await send_all(orchestrator, url, posts)
        bill = await asyncio.to_thread(control, f"{url}/_ledger")
    balanced = show_books(orchestrator.session.id, bill["rows"], tally)
    show_labels(tally)
    save(tally, posts)
    show_way_on()
    return 0 if balanced and not tally.lost else 1


def heading(text: str) -> None:
    """The title of a part."""
    console.print(f"\n[bold cyan]{text}[/]")


def control(url: str, method: str = "GET", body: Any = None) -> Any:
    """Ask one of the simulator's own endpoints; amounts come as exact decimals."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, method=method)  # noqa: S310 - our own address
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own address
        return json.load(answer, parse_float=Decimal)


# ------------------------------------------------------------------ a real model


async def ask_local(orchestrator: AsyncLLMOrchestrator) -> None:
    """One question to a model that runs in this process; its answer is shown as it comes."""
    heading("1  A real model, on this machine")
    if not local.available():
        console.print("It is not installed here, so this part is left out. To install it:")
        console.print(f"  {local.INSTALL}", style="dim", soft_wrap=True)
        return
    console.print(f"[bold]>[/] {QUESTION}")
    try:
        async for event in orchestrator.send_streaming_request(
            QUESTION, provider="local", max_tokens=80, category="demo"
        ):
            console.out(str(event), end="")
            if isinstance(event, EndEvent):
                reply = event.reply
    except OrchestratorError as error:
        console.print(f"\nIt cannot run here, so this part is left out: {escape(str(error))}")
        return
    usage = reply.usage
    console.print(
        f"\n[dim]{reply.provider}/{reply.model} · {usage.input_tokens} tokens in, "
        f"{usage.output_tokens} out · {reply.latency_s:.1f} s · ${reply.cost}[/]"
    )


# ------------------------------------------------------------------ many posts


async def send_all(
    orchestrator: AsyncLLMOrchestrator, url: str, posts: list[dict[str, str]]
) -> Tally:
    """Send every post, some at a time, and show how far it is."""
    heading(f"2  {len(posts)} posts, over two simulated accounts that fail now and then")
    console.print(
        "About 9 % of the requests are refused, reset, cut off or come back empty, and from post "
        f"{min(OUTAGE)} to {max(OUTAGE)} the OpenAI account is down altogether. {IN_FLIGHT} posts "
        "are in flight at a time."
    )
    tally = Tally()
    waiting = iter(enumerate(posts))
    words = TextColumn("{task.completed:.0f} of {task.total:.0f}  {task.fields[told]}")
    began = time.perf_counter()
    with Progress(BarColumn(30), words, console=console, disable=not console.is_terminal) as shown:
        bar = shown.add_task("", total=len(posts), told="")

        async def work() -> None:
            for number, post in waiting:
                await judge(orchestrator, tally, number, post)
                cost = await orchestrator.get_session_cost()
                told = f"[yellow]{tally.retried} retried[/]  [magenta]{tally.failed_over} failed "
                told += f"over[/]  [green]${cost:.6f}[/]"
                shown.update(bar, completed=tally.done, told=told)
                if step := OUTAGE.get(tally.done):
                    await asyncio.to_thread(control, f"{url}/_faults", *step)

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work())
    console.print(
        f"{len(tally.verdicts)} of {len(posts)} posts have an answer after "
        f"{time.perf_counter() - began:.1f} s: {tally.retried} needed another request, "
        f"{tally.failed_over} went to the other account."
    )
    return tally


async def judge(
    orchestrator: AsyncLLMOrchestrator, tally: Tally, number: int, post: dict[str, str]
) -> None:
    """One post: the even ones ask OpenAI first, the odd ones Anthropic."""
    chain = [OPENAI, CLAUDE] if number % 2 == 0 else [CLAUDE, OPENAI]
    try:
        reply = await orchestrator.send_request(
            post["text"],
            system=TASK,
            schema=Verdict,
            chain=chain,
            max_tokens=200,
            category="demo",
        )
    except OrchestratorError as error:
        tally.lost[post["id"]] = error
        return
    tally.verdicts[post["id"]] = reply.parsed
    tally.retried += len(reply.attempts) > 1
    tally.failed_over += not chain[0].startswith(reply.provider)


# ------------------------------------------------------------------ the books


def show_books(session: str, bill: list[dict[str, Any]], tally: Tally) -> bool:
    """Our ledger beside the simulator's bill, attempt by attempt; whether they agree."""
    with Reports(f"sqlite:///{LEDGER}") as reports:
        rows = list(reports.rows(Filter(session_id=session), attempts=True))
    ours = {row["attempt_id"]: row for row in rows if row["provider"] != "local"}
    theirs = {row["client_request_id"]: row for row in bill}
    known = [key for key, row in ours.items() if row["cost_usd"] is not None]
    unknown = [key for key, row in ours.items() if row["cost_usd"] is None]

    heading("3  What it cost: our ledger beside the simulator's bill")
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("model", no_wrap=True)
    for column in ("requests", "failed", "tokens in", "out", "our ledger", "simulator's bill", ""):
        table.add_column(column, justify="right")
    names = sorted({model_of(ours[key]) for key in known})
    for name in [*names, "total"]:
        keys = [key for key in known if name in ("total", model_of(ours[key]))]
        table.add_row(*line(name, keys, ours, theirs), style="bold" if name == "total" else "")
    console.print(table)

    exact = all(ours[key]["cost_usd"] == cost_of(theirs.get(key)) for key in known)
    bounded = all(cost_of(theirs.get(key)) <= ours[key]["hold_usd"] for key in unknown)
    nothing_else = theirs.keys() == ours.keys()
    if unknown:
        most = sum((ours[key]["hold_usd"] for key in unknown), Decimal(0))
        real = sum((cost_of(theirs.get(key)) for key in unknown), Decimal(0))
        console.print(
            f"\n{len(unknown)} more requests were reset or cut off before they told their usage. "
            f"A client cannot know what they cost, so the ledger says unknown, at most "
            f"${most.normalize():f}; the simulator charged ${real.normalize():f}."
        )
    failed = Counter(row["error"] for row in ours.values() if row["status"] != "ok")
    told = ", ".join(f"{number} {name}" for name, number in failed.most_common())
    console.print(
        f"\n{failed.total()} of {len(ours)} requests failed ({told}); "
        f"{len(tally.lost)} posts were lost."
    )
    for post, error in tally.lost.items():
        console.print(f"  {post}: {escape(str(error))}", style="red")
    if exact and bounded and nothing_else:
        console.print("[bold green]✓[/] The books balance, to the last digit.")
        return True
    console.print("[bold red]✗ The books do not balance.[/]")
    for key in ours.keys() | theirs.keys():
        mine, other = ours.get(key), theirs.get(key)
        if mine is None or other is None or mine["cost_usd"] not in (None, cost_of(other)):
            console.print(f"  {key}: ours {mine}, theirs {other}", style="red", markup=False)
    return False


def line(
    name: str, keys: list[str], ours: dict[str, Any], theirs: dict[str, Any]
) -> tuple[str, ...]:
    """A row of the table of costs."""
    mine = sum((ours[key]["cost_usd"] for key in keys), Decimal(0))
    other = sum((cost_of(theirs.get(key)) for key in keys), Decimal(0))
    numbers = (
        len(keys),
        sum(ours[key]["status"] != "ok" for key in keys),
        sum(ours[key]["input_tokens"] or 0 for key in keys),
        sum(ours[key]["output_tokens"] or 0 for key in keys),
    )
    same = "[green]=[/]" if mine == other else f"[red]{mine - other:+f}[/]"
    return name, *(f"{number:,}" for number in numbers), f"${mine:f}", f"${other:f}", same


def model_of(row: dict[str, Any]) -> str:
    """``provider/model``."""
    return f"{row['provider']}/{row['model']}"


def cost_of(billed: dict[str, Any] | None) -> Decimal:
    """What the simulator charged for a request; what it never saw costs nothing."""
    return Decimal(0) if billed is None else Decimal(billed["cost_usd"])


# ------------------------------------------------------------------ the results


def show_labels(tally: Tally) -> None:
    """How the labels are spread."""
    heading("4  What the posts say")
    labels = Counter(verdict.label for verdict in tally.verdicts.values())
    for label, number in labels.most_common():
        share = number / max(1, len(tally.verdicts))
        console.print(f"{label:<9} {number:>4}  {share:>4.0%}  [cyan]{'█' * round(share * 60)}[/]")
    console.print("[dim]The simulator judges by a list of English words, not by understanding.[/]")


def save(tally: Tally, posts: list[dict[str, str]]) -> None:
    """The verdicts as a CSV file."""
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "author", "label", "confidence", "reason", "text"))
        for post in posts:
            if found := tally.verdicts.get(post["id"]):
                facts = (found.label, found.confidence, found.reason)
                writer.writerow((post["id"], post["author"], *facts, post["text"]))


def show_way_on() -> None:
    """Where things lie, and what to type next."""
    heading("5  What now")
    here, command = os.path.relpath(HOME), os.path.relpath(Path(sys.executable).with_name("llmo"))
    console.print(f"verdicts  {here}/{RESULTS.name}")
    console.print(f"ledger    {here}/{LEDGER.name}\n")
    for words, why in (
        (f"LLMO_HOME={here} {command} costs report", "what was spent, by model"),
        (f"LLMO_HOME={here} {command} costs export --attempts", "every request, as CSV"),
        (f"{command} sim --fault-rate 0.1", "a simulator of your own"),
        (f"{command} config init", "a llmo.yaml for your keys"),
    ):
        console.print(f"  {words:<58} [dim]{why}[/]", soft_wrap=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        console.print("\ninterrupted")
        sys.exit(130)
