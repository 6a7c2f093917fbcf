"""What is done to drizzle-kit's SQL before PostgreSQL reads it."""

import pytest
from pgkeel.schema.compare import BY_DATABASE
from pgkeel.schema.declared import DeclaredTables
from pgkeel.schema.load import statements_of, with_client, without_computed
from pgkeel.schema.model import Column, Schema, Table

PRISMA = """CREATE TABLE "A" (
    "body" TEXT NOT NULL DEFAULT 'DEFAULT 1'
);

CREATE TABLE "own"."Doc" (
    "id" SERIAL NOT NULL,
    "low" TEXT DEFAULT lower(body),

    CONSTRAINT "Doc_pkey" PRIMARY KEY ("id")
);
"""


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


def test_a_default_that_names_a_column_is_a_computed_column():
    position = PRISMA.index("body)") + 1
    assert without_computed(PRISMA, position) == (PRISMA.replace(" DEFAULT lower(body)", ""), ("own.Doc", "low"))
    assert without_computed("SELECT 1", 8) is None
    assert without_computed(PRISMA, PRISMA.index("CONSTRAINT") + 1) is None


def test_a_computed_column_is_filled_in_by_the_database():
    column = Column("low", "text", nullable=True)
    schema = Schema({"own.Doc": Table("own.Doc", {"low": column})})
    assert with_client(schema, {}, {("own.Doc", "low")}).tables["own.Doc"].columns["low"].client == BY_DATABASE
    assert with_client(schema, {}) == schema
