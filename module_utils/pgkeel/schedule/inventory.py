"""The inventory with which a server runs playbooks on itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

GROUP = "postgresql"
_TEMPLATE_MARKS = ("{{", "{%", "{#")


class _Unsafe(str):
    """Text that Ansible must not take for a template: it is a value already."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


def _represent_unsafe(dumper: yaml.SafeDumper, value: _Unsafe) -> yaml.ScalarNode:
    return dumper.represent_scalar("!unsafe", str(value), style='"')


_Dumper.add_representer(_Unsafe, _represent_unsafe)


def render_inventory(host: str, python: str, variables: Mapping[str, Any]) -> str:
    """A YAML inventory of one host, itself, with its variables as they stand: rendered, secrets included.

    ``python`` is the interpreter for modules. Jobs run as root and become other users through runuser, which needs
    neither sudo nor a session of its own: what a job starts stays in the job's control group and ends with it.
    """
    connection = {
        "ansible_connection": "local",
        "ansible_python_interpreter": python,
        "ansible_become_method": "su",
        "ansible_become_exe": "runuser",
    }
    values = {name: _plain(value) for name, value in sorted(variables.items())}
    hosts = {host: {**connection, **values}}
    return "---\n" + yaml.dump(
        {GROUP: {"hosts": hosts}}, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=10_000, default_flow_style=False
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value that YAML knows
    if isinstance(value, str):
        return _Unsafe(value) if any(mark in value for mark in _TEMPLATE_MARKS) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
