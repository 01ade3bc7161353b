"""Sphinx settings: Markdown pages, the furo theme; the schema page is made from the specs, the sample of the report by a run."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

project = "delever"
author = "the delever authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_extra_path = ["_sample"]
html_theme = "furo"
html_title = "delever"


def write_schema() -> None:
    """docs/schema.md: every field of every spec and every column of the results."""
    from delever.model.book import ACCOUNTS, LEGS
    from delever.model.book_positions import POSITIONS
    from delever.model.finding import CODES
    from delever.model.schema import MODEL, schema_rows
    from delever.report.reference import declared_columns, figures
    from delever.worlds import ROLES, kinds

    lines = ["# Schema", "", "Made from the specs themselves. Quantities carry their unit in the text: `24 h`, `0.5 %`, "
             "`20 gwei`."]
    groups = {spec.__name__: [spec] for spec in MODEL}
    groups |= {f"{role}: {kind}": [spec] for role in ROLES for kind, spec in kinds(role).items()}
    for title, specs in groups.items():
        lines += ["", f"## {title}", "", (specs[0].__doc__ or "").split("\n")[0], "",
                  "| field | type | unit | default | range | example | meaning |", "|---|---|---|---|---|---|---|"]
        lines += [f"| {r.field} | {r.type} | {r.unit} | {r.default} | {r.range} | {r.example} | {r.meaning} |".replace("{", "\\{")
                  for r in schema_rows(specs)]
    for title, schema in (("Book: legs", LEGS), ("Book: positions", POSITIONS), ("Book: accounts", ACCOUNTS)):
        lines += ["", f"## {title}", "", "| column | type | unit |", "|---|---|---|"]
        lines += [f"| {f.name} | {f.type} | {f.metadata[b'unit'].decode()} |" for f in schema]
    lines += ["", "## Findings: codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]
    lines += ["", "## Results: columns", "", "Each is `NAME`, `NAME.PROTOCOL` or `NAME.PROTOCOL.ASSET`. Some names are made up, "
              "such as a layer's: the schema of `run.paths` has the unit and the meaning of all.", "",
              "| column | unit | meaning |", "|---|---|---|"]
    lines += [f"| {c.name} | {c.unit} | {c.meaning} |".replace("{", "\\{") for c in declared_columns()]
    lines += ["", "## Results: figures", "", "`delever explain NAME` prints any of them.", "", "| figure | unit | definition |",
              "|---|---|---|"]
    lines += [f"| {name} | {one.figure.unit or one.column.unit} | {one.figure.meaning} |".replace("{", "\\{")
              for name, one in sorted(figures().items())]
    (Path(__file__).parent / "schema.md").write_text("\n".join(lines) + "\n")


write_schema()


def run_examples() -> None:
    """The examples of the page on mechanisms, with the compiler off; the build ends where one fails."""
    page = Path(__file__).parent / "page.py"
    done = subprocess.run([sys.executable, str(page)], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"docs/mechanisms.md: {done.stderr}")
    print(done.stdout)


run_examples()


def write_sample() -> None:
    """docs/_sample/sample.html: the report of the embedded world, as docs/report.md says it is made."""
    sample = Path(__file__).parent / "_sample" / "sample.html"
    sample.parent.mkdir(exist_ok=True)
    sample.unlink(missing_ok=True)
    with TemporaryDirectory() as folder:
        for words in (["stress", "first", "--out", "runs/first"], ["report", "runs/first", "--twin", "--out", str(sample)]):
            subprocess.run([sys.executable, "-m", "delever", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


write_sample()
