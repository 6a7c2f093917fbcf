"""What is done to drizzle-kit's SQL before PostgreSQL reads it."""

import pytest
from pgkeel.schema.declared import DeclaredTables
from pgkeel.schema.load import statements_of


@pytest.mark.parametrize(
    ("kept", "changed"),
    [
        ('"varbit(16)"', "varbit(16)"),
        ('"VARCHAR(10)"[]', "VARCHAR(10)[]"),
        ('"TIMESTAMPTZ"', "TIMESTAMPTZ"),
        ('"public.citext"', "public.citext"),
        ('"tsvector"', '"tsvector"'),
        ('"MyDomain"', '"MyDomain"'),
        ('"ROLE"', '"ROLE"'),
    ],
)
def test_a_custom_type_is_no_quoted_name_where_none_can_be_meant(kept, changed):
    declared = """CREATE TYPE "public"."ROLE" AS ENUM('A');\nCREATE TABLE "t" (\n\t"a" {} DEFAULT '"a" "b(1)"'\n);"""
    assert statements_of(DeclaredTables(sql=declared.format(kept))) == [declared.format(changed)]


def test_a_default_keeps_its_own_line_ends():
    script = 'CREATE TABLE "t" (\n\t"a" text DEFAULT \'one\r\ntwo\u2028three\'\n);'
    key = 'ALTER TABLE "t" ADD CONSTRAINT "k" FOREIGN KEY ("a") REFERENCES "public"."t"("a");'
    assert statements_of(DeclaredTables(sql=f"{script}\n{key}")) == [script, key]
