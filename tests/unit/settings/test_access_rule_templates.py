"""What the role writes into the access files."""

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[3] / "roles" / "postgresql"
POOLER = {"system_user": "postgres", "role": "pgbouncer"}
GRAFANA = {"system_user": "grafana", "role": "metrics"}


def lines(template, **given):
    """The lines of a template that say something."""
    known = {
        name: yaml.safe_load((ROLE / place).read_text())[name]
        for place, names in {
            "defaults/main.yml": ["postgresql_peers", "postgresql_hba_networks", "postgresql_hba_extra"],
            "vars/main.yml": ["__postgresql_peers", "__postgresql_pooler_peer"],
        }.items()
        for name in names
    }
    trusted = {name: trust_as_template(value) if isinstance(value, str) else value for name, value in (known | given).items()}
    text = Templar(DataLoader(), variables=trusted).template(trust_as_template((ROLE / "templates" / template).read_text()))
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("peers", [[], [POOLER], [GRAFANA], [GRAFANA, POOLER]])
def test_pgbouncer_can_look_passwords_up_whatever_is_declared(peers):
    further = [peer for peer in peers if peer != POOLER]
    assert lines("pg_ident.conf.j2", postgresql_peers=peers) == [
        "pgkeel postgres pgbouncer",
        *(f"pgkeel {peer['system_user']} {peer['role']}" for peer in further),
    ]
    assert lines("pg_hba.conf.j2", postgresql_peers=peers)[: 2 + len(further)] == [
        "local all postgres peer",
        "local all pgbouncer peer map=pgkeel",
        *(f"local all {peer['role']} peer map=pgkeel" for peer in further),
    ]


def test_the_defaults_are_those_two():
    assert lines("pg_ident.conf.j2") == ["pgkeel postgres pgbouncer"]
    assert lines("pg_hba.conf.j2")[1:3] == ["local all pgbouncer peer map=pgkeel", "local all all scram-sha-256"]
