#!/usr/bin/python
"""Ansible module: turn the JSON documents of a host into its report."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pg_report
short_description: Turn what the playbooks found on a host into a report
version_added: 0.1.0
description:
  - Reads the documents C(site.json), C(audit.json), C(backup.json), C(drill.json), C(workload.json), C(load.json), C(run.json)
    and C(schema_audit.json) that are in a folder and writes C(report.html), C(report.md) and C(tasks.md) beside them.
  - A document that is absent is reported as not run, never as in order. A document that cannot be read fails the module.
  - A backup, a drill, an audit or a schema audit that is too old, or does not say when it was made, proves nothing.
  - The page is self-contained; it loads nothing and runs nothing.
options:
  directory:
    description: Folder of the documents and of the report.
    type: path
    required: true
  host:
    description: What the report calls the server; empty means the name in the documents.
    type: str
    default: ''
  fetched:
    description:
      - Documents that the server itself keeps, by name without C(.json), Base64-encoded as M(ansible.builtin.slurp) returns them.
      - One that finished later than that of O(directory), or that is not there, is written to O(directory) and reported.
    type: dict
    default: {}
  application:
    description: Whether an application with schemas belongs to the server; if so, schemas that nobody compared prove nothing.
    type: bool
    default: true
requirements:
  - jinja2
notes:
  - Runs where the documents are, usually on the controller.
  - The same documents give the same files until one of them is too old; the module reports a change only when a file differs.
attributes:
  check_mode:
    description: Reads and renders everything, says whether a file would change, and writes nothing.
    support: full
  diff_mode:
    description: A diff of a rendered page helps nobody.
    support: none
author:
  - The pgkeel maintainers
"""

EXAMPLES = r"""
- name: Render the report of this host
  pg_report:
    directory: "{{ playbook_dir }}/../build/reports/{{ inventory_hostname }}"
    host: "{{ inventory_hostname }}"
  delegate_to: localhost
"""

RETURN = r"""
collected:
  description: Names of the documents that were newer on the server.
  returned: success
  type: list
  elements: str
  sample: [backup, drill]
page:
  description: Path of the HTML page.
  returned: success
  type: str
  sample: build/reports/db1/report.html
markdown:
  description: Path of the same report as Markdown.
  returned: success
  type: str
  sample: build/reports/db1/report.md
tasks:
  description: Path of the findings as a checklist and as C(bd create) commands.
  returned: success
  type: str
  sample: build/reports/db1/tasks.md
standing:
  description: How the server stands. One of C(In order), C(Needs work), C(Not proved) and C(Not in order).
  returned: success
  type: str
  sample: Not proved
sentence:
  description: The verdict in one sentence.
  returned: success
  type: str
  sample: "db1 is not proved to be in order: no backup has been restored yet."
first:
  description: What to do first.
  returned: success
  type: str
  sample: "Run playbooks/restore_drill.yml: only a restored backup counts."
table:
  description: The report as plain text of at most 100 columns.
  returned: success
  type: str
  sample: "NOT PROVED: db1 is not proved to be in order: no backup has been restored yet."
summary:
  description: The figures of the run for a program, with C(success) and the C(problems) that stand against it.
  returned: success
  type: dict
  sample: {success: false, problems: [drill.verdict is missing]}
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

MISSING: ImportError | None
try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.report.collect import newer_documents
    from ansible.module_utils.pgkeel.report.documents import read_documents
    from ansible.module_utils.pgkeel.report.markdown import render_markdown
    from ansible.module_utils.pgkeel.report.page import render_page
    from ansible.module_utils.pgkeel.report.summary import summarize
    from ansible.module_utils.pgkeel.report.table import render_table
    from ansible.module_utils.pgkeel.report.tasks import tasks_page
    from ansible.module_utils.pgkeel.report.verdict import judge
    from ansible.module_utils.pgkeel.report.written import make_folder, write_whole

    MISSING = None
except ImportError as error:
    MISSING = error


def decoded(name: str, content: object) -> str:
    """The text of a document that slurp encoded."""
    try:
        return base64.b64decode(str(content), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise PgkeelError(
            f"The server's {name}.json is no text: {error}", "Run the playbook that writes it again, or remove the file"
        ) from error


def report(directory: Path, host: str, fetched: Mapping[str, object], *, application: bool, dry_run: bool) -> dict[str, Any]:
    """Render everything before anything is written, then write what differs."""
    newer = newer_documents(directory, {name: decoded(name, content) for name, content in fetched.items()})
    documents, now = read_documents(directory, host, newer, application=application), datetime.now(UTC)
    verdict = judge(documents, now)
    files = {
        **{name: (directory / f"{name}.json", text) for name, text in newer.items()},
        "page": (directory / "report.html", render_page(documents, now)),
        "markdown": (directory / "report.md", render_markdown(documents, now)),
        "tasks": (directory / "tasks.md", tasks_page(documents)),
    }
    result: dict[str, Any] = {
        "standing": verdict.standing.words,
        "sentence": verdict.sentence,
        "first": verdict.first,
        "table": render_table(documents, now),
        "summary": summarize(documents),
        "collected": sorted(newer),
        **{name: str(path) for name, (path, _) in files.items() if name not in newer},
    }
    if newer and not dry_run:
        make_folder(directory)
    changes = [write_whole(path, text, dry_run=dry_run) for path, text in files.values()]
    return {"changed": any(changes), **result}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "host": {"type": "str", "default": ""},
            "fetched": {"type": "dict", "default": {}},
            "application": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "jinja2"))
    try:
        given = module.params
        result = report(
            Path(given["directory"]).resolve(),
            given["host"],
            given["fetched"],
            application=given["application"],
            dry_run=module.check_mode,
        )
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
