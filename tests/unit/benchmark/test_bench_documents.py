"""The documents say what was measured, and show the code that was measured."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import yaml
from pgkeel.benchmark.bench_markdown import fill_snippets, render_document, snippets
from pgkeel.benchmark.cases import GROUPS
from pgkeel.benchmark.index_change import definition_of
from pgkeel.benchmark.results import COLUMNS
from pgkeel.benchmark.timing import met, ratio
from pgkeel.postgres.index_declaration import parse_declarations

ROOT = Path(__file__).resolve().parents[3]
APPLICATION = ROOT / "files" / "bench" / "application"
KEPT = json.loads((ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))


def test_benchmarks_md_is_what_its_results_file_says():
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == render_document(KEPT["results"], KEPT["run"])


def test_the_kept_results_are_whole_and_hold_together():
    known = {(row["metric"], row["client"]) for row in KEPT["results"]}
    assert {(case.metric, case.client) for group in GROUPS for case in group.cases} < known
    for row in KEPT["results"]:
        assert tuple(row)[: len(COLUMNS)] == COLUMNS
        assert row["ratio"] is None or row["ratio"] == ratio(row["before_ms"], row["after_ms"])
        if row["target"] is not None and not row["reason"]:
            assert row["met"] is met(row["ratio"], row["target"], row["difference"])


def test_a_missed_target_stands_out_and_a_met_one_does_not():
    text = render_document(KEPT["results"], KEPT["run"])
    for row in KEPT["results"]:
        if row["target"] is not None and not row["reason"]:
            lines = [line for line in text.splitlines() if line.endswith(f"≥ {row['target']} | **MISSED** |")]
            assert bool(lines) or row["met"]
    beyond = sum(met is False for block in KEPT["run"]["costs"] for met in block["met"])
    assert text.count("**MISSED**") == beyond + sum(row["met"] is False and not row["difference"] for row in KEPT["results"])


def test_application_md_shows_the_code_that_is_measured():
    files = {path.name: path.read_text(encoding="utf-8") for path in APPLICATION.iterdir()}
    document = (ROOT / "docs" / "application.md").read_text(encoding="utf-8")
    assert document == fill_snippets(document, snippets(files))
    shown = re.findall(r"<!-- (\S+) -->", document)
    assert {name.split("#")[0] for name in shown} == set(files)


def test_a_snippet_that_went_stale_is_put_right():
    sources = snippets(
        {"one.mjs": "import x;\n\n/** Adds. */\nexport function add(a, b) {\n  return a + b;\n}\n\nconst other = 1;\n"}
    )
    found = fill_snippets("<!-- one.mjs#add -->\n```js\nold\n```\nrest", sources)
    assert found == "<!-- one.mjs#add -->\n```js\n/** Adds. */\nexport function add(a, b) {\n  return a + b;\n}\n```\nrest"


def test_the_declared_indexes_are_those_that_are_measured():
    written = yaml.safe_load((APPLICATION / "indexes.yml").read_text())
    parsed = parse_declarations([{key: value for key, value in one.items() if key != "database"} for one in written])
    declared = {one.name: one for one in parsed}
    measured = {index.name: index for group in GROUPS for index in group.indexes}
    assert set(declared) < set(measured)
    for name, one in declared.items():
        keys = ", ".join(f'"{key.column}"' for key in one.keys)
        include = ", ".join(column if column == "duration" else f'"{column}"' for column in one.include)
        assert measured[name].definition.startswith(f"USING btree ({keys}) INCLUDE ({include})")
        assert bool(one.rolling) == ("WHERE" in measured[name].definition)


def test_a_cut_off_lies_before_what_is_asked_for():
    recent = next(index for group in GROUPS for index in group.indexes if index.name == "BehaviorLog_recent_idx")
    assert "'2026-03-01 00:00:00'" in definition_of(recent, datetime(2026, 4, 1, tzinfo=UTC))
