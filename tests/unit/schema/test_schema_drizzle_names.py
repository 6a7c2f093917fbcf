"""Names in the application's Drizzle files."""

import pytest
from pgkeel.schema.drizzle_names import after_imports, declared_names, imported_names, module_for, uses, variable_for

TEXT = """import { a, type B, c as d } from "./one";
import type { E } from "two";
import {
  f,
} from "./three";
const g = 1;
export function h() {}
"""


def test_what_a_file_has_in_scope():
    assert imported_names(TEXT) == {"a", "B", "d", "E", "f"}
    assert declared_names(TEXT) == {"a", "B", "d", "E", "f", "g", "h"}
    assert TEXT[after_imports(TEXT) :].startswith("const g")
    assert after_imports("const g = 1;") == 0


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("User", "user"),
        ("Class", "classTable"),
        ("text", "textTable"),
        ("order items", "order_items"),
        ("_AToB", "aToB"),
        ("2fa", "_2fa"),
        ("auth.Session", "session"),
        ("Known", "knownTable"),
    ],
)
def test_a_new_table_has_a_name_that_typescript_takes_and_nothing_else_has(name, variable):
    assert variable_for(name, "Table", {"known"}) == variable


@pytest.mark.parametrize("text", ["role()", "references(() => role.id)", "[role[1]]"])
def test_a_call_and_a_property_are_uses(text):
    assert uses(text, "role")


@pytest.mark.parametrize("text", ["role: text()", 'text("role")', "t.role.desc()", "roles()", "const role = 1"])
def test_other_names_and_texts_are_none(text):
    assert not uses(text, "role")


@pytest.mark.parametrize(
    ("path", "importing", "text", "module"),
    [
        ("/a/b.ts", "/a/c.ts", "", "./b"),
        ("/a/b.ts", "/a/d/c.ts", "", "../b"),
        ("/a/d/b.mts", "/a/c.ts", 'import { x } from "./x.mjs";', "./d/b.mjs"),
        ("/a/b.ts", "/a/c.ts", 'import { x } from "./x.ts";', "./b.ts"),
        ("/a/b.ts", "/a/c.ts", 'import { x } from "lodash.js";', "./b"),
    ],
)
def test_a_module_is_named_as_the_file_names_others(path, importing, text, module):
    assert module_for(path, importing, text) == module
