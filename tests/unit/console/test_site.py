"""What browsers get, and what they cannot get."""

from __future__ import annotations

import pytest

from nova_lite.console.site import Site


@pytest.fixture
def site(tmp_path):
    (tmp_path / "novnc/core").mkdir(parents=True)
    (tmp_path / "novnc/core/rfb.js").write_text("export default 1;")
    (tmp_path / "novnc/core/secret.txt").write_text("secret")
    (tmp_path / "outside.js").write_text("secret")
    (tmp_path / "novnc/core/link.js").symlink_to(tmp_path / "outside.js")
    return Site((tmp_path / "missing", tmp_path / "novnc"))


@pytest.mark.parametrize("path", ["/", "/vnc.html", "/vnc_lite.html", "/vnc_auto.html"])
def test_every_name_that_urls_have_had_is_the_page(site, path):
    page = site.find(path)

    assert page.status == 200
    assert b"noVNC" in page.body and b"<script" in page.body and page.body.rstrip().endswith(b"</html>")


def test_no_page_tells_another_site_where_it_was_or_is_kept(site):
    headers = dict(site.find("/vnc_auto.html").headers)

    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in headers["Content-Security-Policy"]


def test_scripts_of_novnc_come_from_the_first_folder_that_has_them(site):
    page = site.find("/novnc/core/rfb.js")

    assert (page.status, page.body) == (200, b"export default 1;")
    assert page.content_type.startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    ["/novnc/../outside.js", "/novnc/core/../../outside.js", "/novnc//etc/passwd", "/novnc/core/secret.txt",
     "/novnc/core/link.js", "/novnc/core", "/novnc/\0.js", "/novnc/none.js", "/etc/passwd", "/../setup.cfg", ""],
)  # fmt: skip
def test_nothing_else_can_be_read(site, path):
    page = site.find(path)

    assert page.status == 404
    assert b"secret" not in page.body


def test_without_novnc_it_is_said_what_helps(tmp_path):
    page = Site((tmp_path,)).find("/novnc/core/rfb.js")

    assert page.status == 503
    assert b"nova-lite up" in page.body
