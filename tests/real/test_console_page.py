"""The page of consoles in a real browser, with a simulated guest."""

from __future__ import annotations

import time

import pytest
from functional.cloud import Cloud
from functional.test_consoles import opened, token_of, url_of
from real import chromium
from real.chromium import wait_for_state

from nova_lite.cli import novnc
from nova_lite.console.site import Site, folders_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
COLOUR = "Array.from(document.querySelector('#screen canvas').getContext('2d').getImageData(80, 50, 1, 1).data).join()"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A cloud with a running server; the console proxy serves noVNC."""
    folder = tmp_path_factory.mktemp("consoles")
    said = novnc.ensure(folder)
    lack = chromium.missing() or (None if novnc.is_there(folder) else said)
    if lack:
        pytest.skip(lack)
    cloud = Cloud(folder, ("h1",))
    try:
        cloud.start()
        cloud.start_console(site=Site(folders_of(folder)))
        server_id = cloud.boot(cloud.image(), "painted")
        cloud.wait_for(server_id, "ACTIVE")
        yield cloud, server_id
    finally:
        cloud.close()


def wait_for(browser, script, accept):
    until = time.monotonic() + 30
    while not accept(found := browser.evaluate(script)):
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


def test_a_screen_is_painted_and_each_key_arrives(running, browser):
    cloud, server_id = running
    browser.call("Page.navigate", url=url_of(cloud, server_id))
    wait_for_state(browser, "open")
    first = wait_for(browser, COLOUR, lambda colour: not colour.startswith("0,0,0"))

    browser.type("a")
    second = wait_for(browser, COLOUR, lambda colour: colour != first)
    browser.evaluate("document.getElementById('keys').click()")
    wait_for(browser, COLOUR, lambda colour: colour != second)

    assert browser.evaluate("document.title") == "painted"


def test_the_token_is_out_of_the_address_at_once_and_told_to_nobody(running, browser):
    cloud, server_id = running
    url = url_of(cloud, server_id)
    token = token_of(url)

    browser.call("Page.navigate", url=url)
    wait_for_state(browser, "open")

    assert token not in browser.evaluate("location.href + document.referrer + document.documentElement.outerHTML")
    carriers = [one for one in browser.asked if token in str(one.get("request", one.get("url")))]
    assert [one.get("type", "websocket") for one in carriers if one.get("type") != "Document"] == ["websocket"]
    loaded = [one["request"] for one in browser.asked if "request" in one]
    assert len(loaded) > 20  # noVNC's scripts
    assert {one["headers"].get("Referer", "") for one in loaded} == {""}


def test_a_page_that_is_loaded_again_says_that_its_address_is_used(running, browser):
    cloud, server_id = running
    url = url_of(cloud, server_id)
    browser.call("Page.navigate", url=url)
    wait_for_state(browser, "open")

    browser.call("Page.navigate", url="about:blank")
    browser.call("Page.navigate", url=url)
    wait_for_state(browser, "ended")

    assert "Ask for a new one" in browser.evaluate("document.body.innerText")


def test_a_page_of_another_site_cannot_open_a_console(running, browser):
    cloud, server_id = running
    url = url_of(cloud, server_id, "serial", "serial")
    browser.call("Page.navigate", url="data:text/html,<p>evil</p>")

    outcome = browser.evaluate(
        f"new Promise((done) => {{ const socket = new WebSocket({url!r}); "
        "socket.onopen = () => done('open'); socket.onerror = () => done('refused'); })"
    )

    assert outcome == "refused"
    with opened(url) as websocket:  # nor did that use it up
        websocket.send("\r")
        assert websocket.recv(20)


def test_a_page_without_a_token_says_what_to_do(running, browser):
    cloud, _ = running
    browser.call("Page.navigate", url=f"{cloud.console_options.url}/vnc_auto.html")
    wait_for_state(browser, "ended")

    assert "ask for a new one" in browser.evaluate("document.body.innerText")
