"""CPU and memory of reading rows and making requests: `python benchmarks/bulk_reading.py [ROWS]`.

Rows of 80 characters are written in each format. Then each file is read, its ids are compared, and
each row becomes a request, by a template that only names columns and by one that computes; each in
a process of its own. Memory is what is added to a process that has everything imported. The exit
code is 1 where a row takes more than 15 µs, or a million rows more than 100 MB.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from llm_orchestrator.bulk.rows.reading import read_rows
from llm_orchestrator.bulk.rows.sampling import Sampler
from llm_orchestrator.bulk.screening import screened, within
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.catalog import Catalog

ROWS = 1_000_000
MOST_US, MOST_MB = 15, 100
PLAIN = "Post by {{ author }}:\n{{ text }}\nWhat is its mood?"
TASKS = {"columns": PLAIN, "filters": PLAIN.replace("author }}", "author|upper }}")}
OPTIONS = {"max_tokens": 50}


def row(number: int) -> dict[str, str]:
    """One row of the input."""
    text = f"hello, world: this post is about nothing in particular {number}"
    return {"id": f"p{number}", "author": f"author {number % 100}", "text": text}


def write(folder: Path, count: int) -> None:
    """The same rows in each format."""
    paths = {name: folder / f"rows.{name}" for name in ("csv", "jsonl", "json", "parquet")}
    with (
        paths["csv"].open("w") as table,
        paths["jsonl"].open("w") as lines,
        paths["json"].open("w") as array,
    ):
        table.write("id,author,text\n")
        array.write("[")
        for number in range(count):
            one = row(number)
            table.write(f'{one["id"]},{one["author"]},"{one["text"]}"\n')
            text = json.dumps(one)
            lines.write(f"{text}\n")
            array.write(f"{',' if number else ''}{text}")
        array.write("]")
    import pyarrow as pa
    from pyarrow import parquet

    made = [row(number) for number in range(count)]
    parquet.write_table(pa.Table.from_pylist(made), paths["parquet"])


def measure(path: str, template: str) -> None:
    """Print the microseconds of a row and the megabytes that were added, as JSON."""
    task = load_task({"prompt": template, "options": OPTIONS})
    task = within(task, [Catalog.load().resolve("gpt-4o-mini")])
    if path.endswith(".parquet"):
        import pyarrow.parquet  # noqa: F401 - its memory is not that of the rows
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, count = time.process_time(), 0
    for one in Sampler().watch(screened(read_rows(path), [task])):
        assert one.data is not None
        task.item(one.data)
        count += 1
    used = time.process_time() - began
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([used / count * 1e6, more / 1024, count]))


def main() -> int:
    """Measure every format with both templates."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        # The highest use of memory is inherited: who is measured must not come from who writes.
        words = [sys.executable, __file__, "--write", folder, str(count)]
        subprocess.run(words, check=True)
        print(f"{count:,} rows          µs CPU a row   MB")
        for path in sorted(Path(folder).iterdir()):
            for kind, template in TASKS.items():
                words = [sys.executable, __file__, "--measure", str(path), template]
                told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
                micros, megabytes, seen = json.loads(told)
                assert seen == count
                fine = fine and micros <= MOST_US and megabytes * ROWS <= MOST_MB * max(count, ROWS)
                print(f"{path.suffix[1:]:8} {kind:8} {micros:14.1f} {megabytes:4.0f}")
    return 0 if fine else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(*sys.argv[2:4])
    elif sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        raise SystemExit(main())
