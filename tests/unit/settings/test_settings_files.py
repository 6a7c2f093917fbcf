"""Files of another encoding: every byte comes back, and what is shown can be shown."""

import json
from types import SimpleNamespace

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.postgres import access_rules
from pgkeel.postgres.settings_files import keep, printable, put_back, read, replace

LATIN = b"# Zugang f\xfcr die Schule\r\nlocal all all peer\n"


class Refusing:
    """A connection whose server finds a fault in the access rules, or none."""

    def __init__(self, row):
        self.row = row

    def execute(self, _query):
        return SimpleNamespace(fetchone=lambda: self.row)


def test_every_byte_comes_back(tmp_path):
    file = tmp_path / "pg_hba.conf"
    file.write_bytes(LATIN)
    replace(tmp_path / "copy", read(file))
    assert (tmp_path / "copy").read_bytes() == LATIN


def test_what_is_shown_is_text():
    assert printable(LATIN.decode("utf-8", "surrogateescape")).startswith("# Zugang f\\xfcr")
    json.dumps(printable(LATIN.decode("utf-8", "surrogateescape"))).encode()
    assert printable("für") == "für"


def test_access_rules_of_another_encoding_are_kept_beside(tmp_path):
    file = tmp_path / "pg_hba.conf"
    file.write_bytes(LATIN)
    access_rules.install(Refusing(None), {file: "local all all peer\n"})
    assert (tmp_path / "pg_hba.conf.before-pgkeel").read_bytes() == LATIN
    assert file.read_bytes() == b"local all all peer\n"


def test_they_come_back_when_postgresql_refuses_the_new_ones(tmp_path):
    file = tmp_path / "pg_hba.conf"
    file.write_bytes(LATIN)
    with pytest.raises(PgkeelError, match="bad rule in"):
        access_rules.install(Refusing((str(file), 1, "bad rule")), {file: "nonsense\n"})
    assert file.read_bytes() == LATIN


def test_settings_of_another_encoding_are_put_back(tmp_path):
    file = tmp_path / "10.conf"
    file.write_bytes(LATIN)
    keep([file])
    replace(file, "a = 2\n")
    assert put_back([file]) == [file]
    assert file.read_bytes() == LATIN
