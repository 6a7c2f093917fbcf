"""Which enum of the wrong side is the expected one: columns say it before values do."""

from pgkeel.schema.model import Column, Schema, Table
from pgkeel.schema.renamed_enums import renamed_enums


def schema(enums, **columns):
    """One table, each of whose columns is of an enum."""
    table = Table("t", {name: Column(name, enum or "text", nullable=False, enum=enum) for name, enum in columns.items()})
    return Schema({"t": table}, enums)


def test_columns_say_it_before_values_do():
    """`b` has the values of A, and stands where B stands."""
    expected = schema({"A": ("x",), "B": ("y",)}, one="A", two="B")
    actual = schema({"a": ("z",), "b": ("x",)}, one="a", two="b")
    assert renamed_enums(expected, actual) == {"A": "a", "B": "b"}


def test_one_that_some_of_its_columns_have_is_the_same_with_other_values_too():
    expected = schema({"A": ("x", "y")}, one="A", two="A")
    assert renamed_enums(expected, schema({"a": ("x",)}, one="a", two="")) == {"A": "a"}


def test_one_on_columns_of_another_is_not():
    expected = schema({"A": ("x",)}, one="A", two="")
    assert renamed_enums(expected, schema({"a": ("z",)}, one="", two="a")) == {}
