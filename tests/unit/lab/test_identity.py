from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.lab.identity import check_server_name, describe_lab


def test_two_checkouts_share_nothing(tmp_path):
    one, two = (describe_lab(str(tmp_path / name)) for name in ("one", "two"))
    assert one.id != two.id
    assert one.state != two.state
    assert one.bridge != two.bridge
    assert one.nft_table != two.nft_table
    assert one.namespace("demo") != two.namespace("demo")
    assert one.cache == two.cache


def test_a_link_to_a_checkout_is_the_same_lab(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert describe_lab(str(tmp_path / "link")) == describe_lab(str(tmp_path / "real"))


@given(st.text("abcdefghijklmnop/", min_size=1, max_size=60))
def test_names_fit_the_kernel_and_the_subnet_is_ours(path):
    lab = describe_lab(f"/x{path}")
    assert len(lab.bridge) <= 15
    assert len(f"pk{lab.id}v249") <= 15
    assert str(lab.subnet).startswith("10.77.")
    assert str(lab.subnet) != "10.77.0.0/24"
    assert str(lab.gateway).endswith(".1")


@pytest.mark.parametrize("subnet", ["10.78.3.0/16", "8.8.8.0/24", "10.78.3.5/24", "nonsense", "2001:db8::/64"])
def test_a_subnet_that_cannot_be_is_refused_with_an_example(subnet):
    with pytest.raises(PgkeelError, match=r"such as 10\.78\.3\.0/24"):
        describe_lab("/x", subnet)


def test_the_cache_follows_the_user(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert describe_lab("/x").cache == Path("/elsewhere/pgkeel/lab")


@pytest.mark.parametrize("name", ["demo", "it", "a", "db-1"])
def test_good_names(name):
    check_server_name(name)


@pytest.mark.parametrize("name", ["", "Demo", "-a", "a-", "a b", "../x", "a" * 33, "1a"])
def test_bad_names(name):
    with pytest.raises(PgkeelError, match="cannot name a lab server"):
        check_server_name(name)
