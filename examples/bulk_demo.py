"""See it work: 3,600 posts, two tasks, three simulated providers, half the price.

    make bulk-demo          (or: python examples/bulk_demo.py [--posts 3600])

Nothing leaves this machine and no key is needed. In the simulator an hour takes a second, so that
batches which take hours at a provider are back before you are bored. At the end, what our report
says was spent and saved stands beside the simulator's own bill. The exit code is 1 when they differ
by the smallest amount, or when a post got no answer.
"""

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.tree import Tree

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk.output.savings import savings
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.reports import Filter, Reports

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".demo" / "bulk"
LEDGER, POSTS = HOME / "ledger.db", HOME / "posts.csv"
OUT, PANEL = HOME / "results", HOME / "panel"
TASKS = [HERE / "tasks" / "semantic.yaml", HERE / "tasks" / "sentiment.yaml"]
MODELS = "claude-haiku-4-5,gemini-2.5-flash-lite,gpt-4o-mini"
NAMES = {"anthropic": "claude"}
"""What the files call a provider, where that is not its own name."""
ASKED_OF_ALL = 60
"""So many posts are asked of all three, to see how far they agree."""

SIMULATOR = {
    "--port": "0",
    "--seed": "11",
    "--speed": "3600",
    "--fault-rate": "0.02",
    "--fault-mix": json.dumps({"server-error": 2, "overloaded": 1, "unavailable": 1}),
    "--batch": "queue=3600,item=6,failures=0.01",
}

OPENINGS = "Well,|So,|Update:|Honestly,|To be fair,|Two weeks in:|For the record:|Day one:|Again:"
THINGS = (
    "the parcel|the bread knife|my winter coat|the tomato seeds|this lamp|the bicycle pump|the desk"
    "|the coffee grinder|your newsletter|the tent|the garden hose|the alarm clock|the phone case"
    "|the rain jacket|the piano lessons|the night train|the new menu|the repair|the city map"
)
HAPPENINGS = (
    "came a day early and I love it|broke after one evening, which is a pity|does what it should"
    "|is the best I have had in years|was late again and nobody wrote|arrived with a scratch"
    "|costs more than it did in spring|made my daughter happy|stopped working on Tuesday"
    "|is fine, nothing more to say|smells terrible|was repaired for free, thank you"
    "|is smaller than in the picture|survived the whole trip|came without the screws"
)
ENDINGS = (
    "Would buy again.|Can I send it back?|Thanks to whoever packed it.|Never again."
    "|Who can tell me why?|That is all.|My neighbour says the same.|Please call me."
    "|Five stars.|I had hoped for more.|See you next year!|What do others think?"
)
AUTHORS = "ada|ben|carla|deniz|emeka|fatima|goran|hana|ivo|jun|kaya|lea|mateo|nils|oona|pavel"

_screen = Console()
console = Console(width=min(_screen.width, 100) if _screen.is_terminal else 100, highlight=False)


def main() -> int:
    """Run all parts and give back the exit code."""
    parser = argparse.ArgumentParser(description="Many posts by batches, and what that saves.")
    parser.add_argument("--posts", type=int, default=3600)
    count = max(ASKED_OF_ALL, parser.parse_args().posts)
    began = time.perf_counter()
    prepare_home()
    write_posts(count)
    with simulator() as url, LLMOrchestrator(configuration(url)) as orchestrator:
        whole = send_all(orchestrator, url, count)
        show_files()
        panel = ask_all_three(orchestrator, url)
        bill = control(f"{url}/_ledger")["rows"]
    balanced = show_savings([whole, panel], bill)
    show_way_on()
    console.print(f"\n[dim]{time.perf_counter() - began:.0f} seconds in all.[/]")
    missing = sum(one["items"] - one["done"] for one in (whole, panel))
    if missing:
        console.print(f"[bold red]✗ {missing} answers are missing.[/]")
    return 0 if balanced and not missing else 1


def prepare_home() -> None:
    """A folder of the demo's own: your real ledger stays as it is. Each run starts afresh."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    (HOME.parent / ".gitignore").write_text("*\n")
    os.environ["LLMO_HOME"] = str(HOME)


def write_posts(count: int) -> None:
    """Posts made of a few words, always the same ones, no two alike."""
    pick = random.Random(7)
    parts = [words.split("|") for words in (OPENINGS, THINGS, HAPPENINGS, ENDINGS)]
    authors = AUTHORS.split("|")
    with POSTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "author", "text"))
        for number in range(1, count + 1):
            text = " ".join(pick.choice(words) for words in parts[:3])
            ending = f". {pick.choice(parts[3])} (order {20_000 + number})"
            writer.writerow((f"p{number:05}", pick.choice(authors), text + ending))


@contextmanager
def simulator() -> Iterator[str]:
    """The address of a simulator in a process of its own; `llmo sim` starts the same."""
    place = HOME / "simulator.url"
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


def configuration(url: str) -> dict[str, Any]:
    """Three accounts, all of them at the simulator."""
    return {
        "providers": {
            "anthropic": {"api_key": "sk-simulated-claude", "base_url": f"{url}/anthropic/v1"},
            "gemini": {"api_key": "simulated-gemini", "base_url": f"{url}/gemini/v1beta"},
            "openai": {"api_key": "sk-simulated-openai", "base_url": f"{url}/openai/v1"},
        },
        "store": {"url": f"sqlite:///{LEDGER}"},
    }


def heading(text: str) -> None:
    """The title of a part."""
    console.print(f"\n[bold cyan]{text}[/]")


def control(url: str) -> Any:
    """Ask one of the simulator's own endpoints; amounts come as exact decimals."""
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own address
        return json.load(answer, parse_float=Decimal)


# ------------------------------------------------------------------ many posts


def send_all(orchestrator: LLMOrchestrator, url: str, count: int) -> dict[str, Any]:
    """All posts, each task of each post once; the report of the run."""
    claude, gemini = count * 1500 // 3600, count * 1000 // 3600
    split = f"claude={claude}:batch,gemini={gemini}:online,openai=rest:batch"
    heading(f"1  {count:,} posts x {len(TASKS)} tasks, shared out: {split}")
    began = time.perf_counter()
    run = orchestrator.bulk(
        POSTS,
        tasks=TASKS,
        models=MODELS,
        split=split,
        deadline="24h",
        max_cost=15,
        out=OUT,
        clock=url,
    )
    run_and_watch(run)
    report: dict[str, Any] = run.report().as_dict()
    hours = (report["ended_at"] - report["started_at"]) / 3600
    console.print(progress(report))
    console.print(
        f"{report['done']:,} of {report['items']:,} answers after "
        f"{time.perf_counter() - began:.0f} s, which were {hours:.1f} hours for the providers; "
        f"{report['retries']:,} had failed and were asked again."
    )
    for one in report["estimate_vs_actual"]:
        if one["expected_usd"] is not None and one["actual_usd"] is not None:
            console.print(
                f"[dim]  {one['task']} by {one['model']}: about ${one['expected_usd']:.4f} was "
                f"expected, ${one['actual_usd']:.4f} it was[/]"
            )
    return report


def run_and_watch(run: Any) -> None:
    """Wait for a run, with a bar for each way that items go; silent where nobody looks."""
    if not console.is_terminal:
        run.wait()
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            report = run.status()
            if report.run.state not in {"loading", "planned", "running"}:
                break
            live.update(progress(report.as_dict()), refresh=True)
            time.sleep(0.5)
    run.wait()


def progress(report: dict[str, Any]) -> Table:
    """How far each provider and lane is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=14)
    table.add_column(width=30)
    for _ in range(3):
        table.add_column(justify="right")
    for name, one in report["cost_by_mode"].items():
        width = round(30 * one["done"] / max(1, one["items"]))
        table.add_row(
            name,
            f"[cyan]{'━' * width}[/][dim]{'━' * (30 - width)}[/]",
            f"{one['done']:,} of {one['items']:,}",
            f"{one['failed']:,} failed" if one["failed"] else "",
            f"[green]${one['cost_usd']:.4f}[/]",
        )
    return table


def show_files() -> None:
    """What lies in the folder of results."""
    heading("2  The files")
    tree = Tree(f"[bold]{os.path.relpath(OUT)}/[/]", guide_style="dim")
    folders: dict[Path, Tree] = {OUT: tree}
    for path in sorted(OUT.rglob("*"), key=lambda path: (path.is_file(), path)):
        if path.is_dir():
            folders[path] = folders[path.parent].add(f"{path.name}/")
        else:
            folders[path.parent].add(f"{path.name} [dim]{path.stat().st_size / 1024:,.0f} KB[/]")
    console.print(tree)
    rows = json.loads((OUT / "consolidated" / "all_analysis.json").read_text("utf-8"))
    labels = Counter(row["label"] for row in rows if row["task"] == "sentiment")
    console.print(
        "What they say: " + ", ".join(f"{n:,} {word}" for word, n in labels.most_common())
    )


# ------------------------------------------------------------------ do they agree?


def ask_all_three(orchestrator: LLMOrchestrator, url: str) -> dict[str, Any]:
    """Some posts asked of everybody, and merged into one answer each; the report of the run."""
    heading(f"3  {ASKED_OF_ALL} posts asked of all three, and merged: the best one's answer counts")
    with POSTS.open(encoding="utf-8", newline="") as file:
        posts = list(csv.DictReader(file))[:ASKED_OF_ALL]
    run = orchestrator.bulk(
        posts, task=TASKS[1], models=MODELS, split="each", lane="online", out=PANEL, clock=url
    )
    run.wait()
    told = json.loads((PANEL / "processing_summary.json").read_text("utf-8"))["agreement"]
    for pair in told["pairs"]:
        names = " and ".join(name.partition("/")[0] for name in pair["providers"])
        console.print(f"  {names:<20} agree on {pair['agree']} of {pair['items']}")
    console.print(f"  all three{'':<11} agree on {told['unanimous']} of {told['items']}")
    merged = json.loads((PANEL / "consolidated" / "all_analysis.json").read_text("utf-8"))
    chosen = Counter(row["provider"] for row in merged)
    console.print(f"  merged: {len(merged)} answers, taken from {', '.join(chosen)}")
    console.print("[dim]The simulator answers by a list of words and by chance.[/]")
    return run.report().as_dict()


# ------------------------------------------------------------------ the books


def show_savings(reports: list[dict[str, Any]], bill: list[dict[str, Any]]) -> bool:
    """What it cost and what it would have cost, beside the simulator's bill; whether they agree."""
    heading("4  What was saved: our report beside the simulator's bill")
    ours = ledger()
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for column in ("cost", "our ledger", "simulator's bill", "", "in real time", "saved"):
        table.add_column(column, justify="right")
    theirs = by_mode(bill)
    modes = sorted({mode for report in reports for mode in report["cost_by_mode"]} | theirs.keys())
    good = True
    sums = [Decimal(0)] * 5
    for mode in modes:
        parts = [report["cost_by_mode"].get(mode, {}) for report in reports]
        cost, real, saved = (
            sum((Decimal(part.get(key) or 0) for part in parts), Decimal(0))
            for key in ("cost_usd", "realtime_usd", "savings_usd")
        )
        billed = theirs.get(mode, Decimal(0))
        booked = ours.get(mode, Decimal(0))
        # All three give half of the price for batches: what was billed is what was saved.
        honest = saved == (billed if mode.endswith("_batch") else 0)
        same = cost == billed == booked and honest and real == cost + saved
        good &= same
        amounts = [cost, booked, billed, real, saved]
        sums = [one + other for one, other in zip(sums, amounts, strict=True)]
        table.add_row(*line(mode, amounts, same=same))
    table.add_row(*line("total", sums, same=good), style="bold")
    console.print(table)
    store = BulkStore(f"sqlite:///{LEDGER}")
    told = savings(store).as_dict()  # what `llmo savings` shows, of batches alone
    store.close()
    batches = sum(
        (amount for mode, amount in theirs.items() if mode.endswith("_batch")), Decimal(0)
    )
    proven = bool(told["proven"]) and told["cost_usd"] == told["savings_usd"] == batches
    good &= proven
    share = sums[4] / sums[3] if sums[3] else Decimal(0)
    console.print(f"\n${sums[4]:.2f} of ${sums[3]:.2f} were saved ({share:.0%}).")
    if good:
        console.print("[bold green]✓[/] Report, ledger and bill are the same, to the last digit.")
    else:
        console.print("[bold red]✗ Report, ledger and bill differ.[/]")
    return good


def line(name: str, amounts: list[Decimal], *, same: bool) -> list[str]:
    """A row of the table of savings."""
    cost, booked, billed, real, saved = (f"${one.normalize():f}" for one in amounts)
    sign = "[green]=[/]" if same else "[red]≠[/]"
    return [name, cost, booked, billed, sign, real, saved]


def by_mode(bill: list[dict[str, Any]]) -> dict[str, Decimal]:
    """The bill by provider and lane."""
    found: dict[str, Decimal] = {}
    for row in bill:
        name = NAMES.get(row["provider"], row["provider"])
        mode = f"{name}_batch" if row.get("batch_id") else name
        found[mode] = found.get(mode, Decimal(0)) + Decimal(row["cost_usd"])
    return found


def ledger() -> dict[str, Decimal]:
    """What the attempts in our ledger cost, by provider and lane."""
    found: dict[str, Decimal] = {}
    with Reports(f"sqlite:///{LEDGER}") as reports:
        for row in reports.rows(Filter(), attempts=True):
            name = NAMES.get(row["provider"], row["provider"])
            mode = f"{name}_batch" if row["strategy"] == "batch" else name
            found[mode] = found.get(mode, Decimal(0)) + (row["cost_usd"] or 0)
    return found


def show_way_on() -> None:
    """Where things lie, and what to type next."""
    heading("5  What now")
    here, command = os.path.relpath(HOME), os.path.relpath(Path(sys.executable).with_name("llmo"))
    for words, why in (
        (f"LLMO_HOME={here} {command} bulk status", "the runs"),
        (f"LLMO_HOME={here} {command} savings", "by task, provider and month"),
        (f"LLMO_HOME={here} {command} bulk report {here}/results", "costs, and what was decided"),
        (f"{command} bulk run FILE --task examples/tasks/sentiment.yaml", "posts of your own"),
    ):
        console.print(f"  {words:<68} [dim]{why}[/]", soft_wrap=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        console.print("\ninterrupted")
        sys.exit(130)
