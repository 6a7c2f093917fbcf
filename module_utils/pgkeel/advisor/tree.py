"""Walking pglast's syntax trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from pglast import ast

Tree: TypeAlias = Any
"""A node, a list of nodes or nothing: pglast's own types say little more."""


def children(node: Tree) -> Iterator[Tree]:
    """The nodes directly below a node or a list of nodes."""
    if isinstance(node, tuple | list):
        for item in node:
            if isinstance(item, ast.Node | tuple | list):
                yield item
    elif isinstance(node, ast.Node):
        for name in getattr(node, "__slots__", ()):
            value = getattr(node, name, None)
            if isinstance(value, ast.Node | tuple | list):
                yield value


def nodes(node: Tree, *kinds: type) -> Iterator[Tree]:
    """All nodes of these kinds, the root included, in the order of the text as far as the tree keeps it.

    However deep it is: a thousand arms of a UNION are a thousand levels.
    """
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, kinds):
            yield found
        waiting.extend(reversed(list(children(found))))


def names_of(parts: Tree) -> tuple[str, ...]:
    """The words of a qualified name."""
    return tuple(str(part.sval) for part in parts or () if isinstance(part, ast.String))


def column_name(reference: Tree) -> tuple[str, ...]:
    """The words of a column reference; a star is ``*``."""
    return tuple(str(part.sval) if isinstance(part, ast.String) else "*" for part in reference.fields)
