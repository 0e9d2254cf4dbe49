"""The command: reads the sources, builds, writes and reports."""

from __future__ import annotations

import argparse
import datetime as dt
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

from tools.catalog_build import community, history, names
from tools.catalog_build.merge import Merger, Notes
from tools.catalog_build.providers import SOURCES
from tools.catalog_build.render import render

FORMAT = 1
_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent.parent
_DEFAULT_OUT = _ROOT / "src/llm_orchestrator/catalog/data/models.json"
_CURATED = _HERE / "curated.toml"
_LITELLM_JSON = "litellm/model_prices_and_context_window_backup.json"


def build(litellm: Path, day: str, sources: dict[str, str]) -> tuple[str, Notes]:
    """The text of the data file and what deserves a look."""
    curated = tomllib.loads(_CURATED.read_text("utf-8")) | {"version": day}
    merger = Merger(history.providers(), community.load(litellm), curated)
    models = {source.name: merger.provider(source) for source in SOURCES}
    names.add_families(models, curated["families"])
    names.add_successors(models, day)
    catalog = {
        "format": FORMAT,
        "version": day,
        "sources": sources,
        "providers": {
            name: {"models": rows} | _discount(curated, name) for name, rows in models.items()
        },
        "aliases": names.aliases(models, curated),
    }
    return render(catalog), merger.notes


def _discount(curated: dict[str, dict[str, object]], provider: str) -> dict[str, object]:
    discount = curated["batch_discount"].get(provider)
    return {} if discount is None else {"batch_discount": discount}


def _litellm_json(given: str | None, workdir: Path) -> tuple[Path, str]:
    """The price JSON and the version it is from: a path, or a wheel that is fetched for it."""
    if given and given.endswith(".json"):
        path = Path(given)
        infos = list(path.parent.parent.glob("litellm-*.dist-info"))
        return path, infos[0].name.split("-")[1].removesuffix(".dist") if infos else "unknown"
    wheel = Path(given) if given and given.endswith(".whl") else _download(given, workdir)
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(_LITELLM_JSON, workdir)
    return workdir / _LITELLM_JSON, wheel.name.split("-")[1]


def _download(version: str | None, workdir: Path) -> Path:
    wanted = f"litellm=={version}" if version else "litellm"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "-q",
        "-d",
        str(workdir),
        wanted,
    ]
    subprocess.run(command, check=True)
    return next(workdir.glob("litellm-*.whl"))


def main() -> None:
    """Reads the arguments, builds, writes and reports."""
    parser = argparse.ArgumentParser(description="Build the catalogue's data file.")
    parser.add_argument(
        "--litellm", help="path of the price JSON or a wheel, or a version to fetch"
    )
    parser.add_argument(
        "--genai-prices", help="directory that holds genai_prices, else the installed one"
    )
    parser.add_argument("--date", default=dt.datetime.now(tz=dt.UTC).date().isoformat())
    parser.add_argument("--out", type=Path, default=_DEFAULT_OUT)
    options = parser.parse_args()
    if options.genai_prices:
        sys.path.insert(0, options.genai_prices)
    with tempfile.TemporaryDirectory() as workdir:
        litellm, version = _litellm_json(options.litellm, Path(workdir))
        sources = {"genai-prices": metadata.version("genai-prices"), "litellm": version}
        text, notes = build(litellm, options.date, sources)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, "utf-8")
    print(f"{options.out}: {len(text.encode()):,} bytes, {text.count(chr(10)):,} lines")
    print(f"{len(notes.disagree)} models on whose price of today the sources disagree:")
    for note in notes.disagree:
        print(f"  {note}")
