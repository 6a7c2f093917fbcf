from __future__ import annotations

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pgkeel.schedule.inventory import render_inventory

TEXT = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(["{{ 7 * 6 }}", "{# gone #}", "{% if", "yes", "1.0", "null", "2026-01-01", " x ", "a: b", "# c", "!vault x"]),
)
VALUES = st.recursive(
    st.one_of(TEXT, st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES)
def test_ansible_reads_back_the_very_value(tmp_path, value):
    file = tmp_path / "hosts.yml"
    file.write_text(render_inventory("db1", "/opt/pgkeel/venv/bin/python", {"database_x": value}), encoding="utf-8")
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(file)])
    host = inventory.get_host("db1")
    assert "postgresql" in [group.name for group in host.get_groups()]
    variables = VariableManager(loader=loader, inventory=inventory).get_vars(host=host)
    assert Templar(loader=loader, variables=variables).template(variables["database_x"]) == value
    assert variables["ansible_connection"] == "local"


def test_the_same_variables_give_the_same_text():
    one = render_inventory("db1", "/p", {"b": 1, "a": {"y": [1], "x": "s"}})
    two = render_inventory("db1", "/p", {"a": {"y": [1], "x": "s"}, "b": 1})
    assert one == two
