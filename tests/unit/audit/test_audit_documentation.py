"""docs/audit.md says what the registry says. PGKEEL_WRITE_DOCS=1 writes the tables anew."""

import os
import re
from pathlib import Path

import pytest
from pgkeel.audit.documentation import checks_tables, thresholds_table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "audit.md"


@pytest.mark.parametrize(("name", "expected"), [("checks", checks_tables()), ("thresholds", thresholds_table())])
def test_the_page_is_current(name, expected):
    section = re.compile(rf"(<!-- {name}: [^\n]*-->\n)(.*?)(<!-- end of {name} -->)", re.DOTALL)
    text = PAGE.read_text()
    if os.environ.get("PGKEEL_WRITE_DOCS") == "1":
        text = section.sub(lambda found: f"{found[1]}\n{expected}\n\n{found[3]}", text)
        PAGE.write_text(text)
    found = section.search(text)
    assert found
    assert found[2].strip() == expected
