import pytest
from pgkeel.errors import PgkeelError
from pgkeel.lab.mirror import Mirror, find_mirror

DEB822 = """\
Types: deb
# an old snapshot
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


def sources(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_deb822(tmp_path):
    sources(tmp_path, "sources.list.d/debian.sources", DEB822)
    assert find_mirror("", tmp_path) == Mirror("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_one_line_style_with_options(tmp_path):
    sources(tmp_path, "sources.list", "# comment\ndeb [signed-by=/k arch=amd64] https://m.example/debian/ trixie main\n")
    assert find_mirror("", tmp_path) == Mirror("https://m.example/debian/", "")


def test_other_vendors_do_not_count(tmp_path):
    sources(tmp_path, "sources.list.d/node.sources", "Types: deb\nURIs: https://node.example/node_20.x\nSuites: nodistro\n")
    sources(tmp_path, "sources.list.d/off.sources", "Enabled: no\n" + DEB822.partition("\n\n")[0])
    with pytest.raises(PgkeelError, match="lab_mirror_url"):
        find_mirror("", tmp_path)


def test_a_list_of_mirrors_as_cloud_images_have(tmp_path):
    mirrors = tmp_path / "mirrors" / "debian.list"
    mirrors.parent.mkdir()
    mirrors.write_text("https://deb.example/debian\nhttps://other.example/debian\n")
    sources(
        tmp_path, "sources.list.d/debian.sources", DEB822.replace("http://mirror.example/debian\n", f"mirror+file://{mirrors}\n")
    )
    assert find_mirror("", tmp_path).url == "https://deb.example/debian"


def test_a_proxy_of_any_name(tmp_path):
    sources(tmp_path, "sources.list", "deb https://nexus.example/repository/debian-proxy bookworm main\n")
    assert find_mirror("", tmp_path).url == "https://nexus.example/repository/debian-proxy"


def test_a_given_mirror_wins(tmp_path):
    sources(tmp_path, "sources.list.d/debian.sources", DEB822)
    assert find_mirror("http://given.example/debian", tmp_path).url == "http://given.example/debian"
