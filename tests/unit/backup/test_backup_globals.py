"""What pg_dumpall wrote, without what must not run beside production."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.backup.globals_sql import for_throwaway_cluster, statements

SCRIPT = r"""--
-- PostgreSQL database cluster dump
--
\restrict abc

SET standard_conforming_strings = on;

CREATE ROLE app;
ALTER ROLE app WITH LOGIN;
COMMENT ON ROLE app IS 'it''s; CREATE ROLE postgres;
CREATE TABLESPACE x LOCATION ''/'';';
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER;
CREATE ROLE "Ro;le";
GRANT "Ro;le" TO app GRANTED BY postgres;

--
-- Tablespaces
--

CREATE TABLESPACE fast OWNER postgres LOCATION '/srv/fa;st';
ALTER TABLESPACE fast SET (random_page_cost='1');
COMMENT ON TABLESPACE fast IS 'quick; disk';
GRANT ALL ON TABLESPACE fast TO app;
SECURITY LABEL FOR selinux ON TABLESPACE fast IS 'x';

\unrestrict abc
"""


def test_only_superuser_and_tablespaces_are_left_out() -> None:
    found = for_throwaway_cluster(SCRIPT, "postgres")
    assert "\nCREATE ROLE postgres;\nALTER" not in found
    assert "CREATE ROLE app;" in found
    assert "ALTER ROLE postgres WITH SUPERUSER;" in found
    assert 'GRANT "Ro;le" TO app GRANTED BY postgres;' in found
    assert "fast" not in found
    # The comment that quotes such statements is a string.
    assert "it''s; CREATE ROLE postgres;\nCREATE TABLESPACE x LOCATION ''/'';'" in found
    assert r"\restrict abc" in found
    assert r"\unrestrict abc" in found


@pytest.mark.parametrize(("superuser", "line"), [("admin", "CREATE ROLE admin;"), ("Ad min", 'CREATE ROLE "Ad min";')])
def test_the_superuser_may_have_any_name(superuser: str, line: str) -> None:
    assert for_throwaway_cluster(f"CREATE ROLE x;\n{line}\n", superuser) == "CREATE ROLE x;\n\n"


def test_a_name_that_only_begins_the_same_stays() -> None:
    assert for_throwaway_cluster("CREATE ROLE postgres_2;", "postgres") == "CREATE ROLE postgres_2;"


@given(st.text(alphabet="ab'\";-\n ", max_size=60))
def test_splitting_loses_nothing(script: str) -> None:
    assert "".join(statements(script)) == script
