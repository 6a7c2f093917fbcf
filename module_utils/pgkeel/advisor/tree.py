"""Walking pglast's syntax trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast


def children(node: Any) -> Iterator[Any]:
    """The nodes directly below a node or a list of nodes."""
    if isinstance(node, tuple | list):
        for item in node:
            if isinstance(item, ast.Node | tuple | list):
                yield item
    elif isinstance(node, ast.Node):
        for name in node.__slots__:
            value = getattr(node, name, None)
            if isinstance(value, ast.Node | tuple | list):
                yield value


def nodes(node: Any, *kinds: type) -> Iterator[Any]:
    """All nodes of these kinds, the root included, in the order of the text as far as the tree keeps it."""
    if isinstance(node, kinds):
        yield node
    for child in children(node):
        yield from nodes(child, *kinds)


def names_of(parts: Any) -> tuple[str, ...]:
    """The words of a qualified name."""
    return tuple(part.sval for part in parts or () if isinstance(part, ast.String))


def column_name(reference: Any) -> tuple[str, ...]:
    """The words of a column reference; a star is ``*``."""
    return tuple(part.sval if isinstance(part, ast.String) else "*" for part in reference.fields)
