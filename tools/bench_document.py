"""Write docs/benchmarks.md from docs/benchmarks.json, and the snippets of docs/application.md from files/bench/application.

With --keep, the last runs of `make bench` and `make bench-cost` become docs/benchmarks.json first.
"""

from __future__ import annotations

import json
import sys

from lab_inventory import ROOT

sys.path.insert(0, str(ROOT / "module_utils"))

from pgkeel.benchmark.bench_markdown import fill_snippets, render_document, snippets
from pgkeel.benchmark.results import write_json

KEPT = ROOT / "docs" / "benchmarks.json"


def main() -> None:
    """Write both documents."""
    if "--keep" in sys.argv[1:]:
        last = ROOT / "build" / "bench"
        rows, about = (json.loads((last / f"{name}.json").read_text(encoding="utf-8")) for name in ("results", "run"))
        costs = last / "costs.json"
        if costs.exists():
            about["costs"] = json.loads(costs.read_text(encoding="utf-8"))
        write_json(KEPT, {"results": rows, "run": about})
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    (ROOT / "docs" / "benchmarks.md").write_text(render_document(kept["results"], kept["run"]), encoding="utf-8")
    files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "files" / "bench" / "application").iterdir()}
    document = ROOT / "docs" / "application.md"
    document.write_text(fill_snippets(document.read_text(encoding="utf-8"), snippets(files)), encoding="utf-8")


if __name__ == "__main__":
    main()
