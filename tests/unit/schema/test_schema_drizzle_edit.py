"""Imports of a file whose text changes."""

import pytest
from pgkeel.schema.drizzle_edit import Edit, edited


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("import { pgTable, text as txt } from", "import { pgTable, text as txt, text } from"),
        ("import { pgTable, text } from", "import { pgTable, text } from"),
    ],
)
def test_a_name_that_is_imported_as_another_is_imported_as_itself_too(line, after):
    text = f'{line} "drizzle-orm/pg-core";\n'
    changed = edited(text, [Edit("schema.ts", len(text), len(text), "// text", frozenset({"text"}))], {})
    assert changed == f'{after} "drizzle-orm/pg-core";\n// text'
