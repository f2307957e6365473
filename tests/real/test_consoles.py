"""A real guest's console in a real browser: what is on the screen is read, what is typed arrives."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

import pytest
from functional.cloud import Cloud
from functional.test_consoles import opened, url_of
from real import chromium, vga_text
from real.chromium import wait_for_state
from real.libvirtd import Libvirtd
from real.libvirtd import missing as libvirt_lacks
from real.test_libvirt_driver import Hypervisor

from nova_lite.cli import novnc
from nova_lite.cli.guest_image import builder
from nova_lite.clock import SystemClock
from nova_lite.compute.host import ComputeHost, Doors
from nova_lite.console.site import Site, folders_of
from nova_lite.model.ids import HostName
from nova_lite.rpc.local import LocalTransport

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]
BOOT_S = 180.0
SCREEN = """(() => {
  const canvas = document.querySelector("#screen canvas");
  if (!canvas || !canvas.width) return null;
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let points = "";
  for (let at = 0; at < data.length; at += 4) points += data[at] + data[at + 1] + data[at + 2] > 200 ? "\\x01" : "\\x00";
  return { width: canvas.width, height: canvas.height, points: btoa(points) };
})()"""


class RealCloud(Cloud):
    """All daemons in this process, and one host whose guests are QEMU's."""

    def __init__(self, folder, hypervisor):
        self._hypervisor = hypervisor
        super().__init__(folder, ("real",))

    def make_host(self, name):
        folder = self.folder / "compute" / name
        folder.mkdir(parents=True, exist_ok=True)
        doors = Doors(
            host=HostName(name), folder=folder, transport=LocalTransport(self.broker), driver=self._hypervisor.driver,
            clock=SystemClock(),
        )  # fmt: skip
        return ComputeHost(doors)

    def guest_image(self, path):
        """Upload the guest."""
        headers = self.log_in("demo")
        body = {"name": "tiny", "disk_format": "qcow2", "container_format": "bare"}
        made = self.client.simulate_post("/image/v2/images", json=body, headers=headers).json
        known = {**headers, "Content-Type": "application/octet-stream"}
        answer = self.client.simulate_put(f"/image/v2/images/{made['id']}/file", body=path.read_bytes(), headers=known)
        assert answer.status_code == 204, answer.text
        return made["id"]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A cloud with a guest that has booted; the console proxy serves noVNC."""
    lack = libvirt_lacks() or chromium.missing() or vga_text.missing()
    if lack:
        pytest.skip(lack)
    folder = tmp_path_factory.mktemp("consoles")
    novnc.ensure(folder)
    libvirtd = Libvirtd()
    try:
        libvirtd.start()
        hypervisor = Hypervisor(libvirtd, builder.ensure().disk)
        cloud = RealCloud(folder, hypervisor)
        try:
            cloud.start()
            cloud.start_console(site=Site(folders_of(folder)))
            yield cloud, boot(cloud, hypervisor)
        finally:
            cloud.close()
            hypervisor.close()
    finally:
        libvirtd.remove()


def boot(cloud, hypervisor):
    body = {"name": "seen", "imageRef": cloud.guest_image(hypervisor.image), "flavorRef": "1", "networks": "none"}
    answer = cloud.ask("POST", "/servers", {"server": body}, version="2.37")
    assert answer.status_code == 202, answer.text
    server_id = answer.json["server"]["id"]
    cloud.wait(lambda: (cloud.server(server_id) or {}).get("status") == "ACTIVE", "it is active", BOOT_S)
    cloud.wait(lambda: "login:" in hypervisor.driver.console_output(server_id, None).decode(), "it has booted", BOOT_S)
    return server_id


def read(browser):
    found = browser.evaluate(SCREEN)
    return "" if found is None else vga_text.text_of(found["width"], found["height"], base64.b64decode(found["points"]))


def wait_for_text(browser, text, timeout_s=60.0):
    until = time.monotonic() + timeout_s
    while text not in (seen := read(browser)):
        state = browser.evaluate("document.body.dataset.state + ': ' + document.getElementById('status').textContent")
        assert time.monotonic() < until, f"{text!r} is not on the screen ({state}):\n{seen}"
        time.sleep(0.3)
    return seen


def test_the_login_prompt_is_seen_and_what_is_typed_arrives(running, browser):
    cloud, server_id = running
    url = url_of(cloud, server_id)

    browser.call("Page.navigate", url=url)
    wait_for_state(browser, "open")
    browser.type("\n")
    wait_for_text(browser, "login:")
    if os.environ.get("CONSOLE_PICTURE"):
        Path(os.environ["CONSOLE_PICTURE"]).write_bytes(browser.picture())
    browser.type("cirros\n")
    wait_for_text(browser, "Password:")
    browser.type("gocubsgo\n")
    time.sleep(2)
    browser.type("uname -sm\n")
    seen = wait_for_text(browser, "Linux x86_64")

    assert "gocubsgo" not in seen.split("Password:")[-1]
    assert browser.evaluate("document.title").startswith("QEMU")


def test_the_serial_line_answers_and_goes_on_being_logged(running):
    cloud, server_id = running

    with opened(url_of(cloud, server_id, "serial", "serial")) as websocket:
        websocket.send("\r")
        said = b""
        until = time.monotonic() + 30
        while b"login:" not in said and time.monotonic() < until:
            said += websocket.recv(20)
        websocket.send("nobody-there\r")
        while b"Password:" not in said and time.monotonic() < until:
            said += websocket.recv(20)

    assert b"login:" in said and b"Password:" in said
    logged = cloud.ask("POST", f"/servers/{server_id}/action", {"os-getConsoleOutput": {}}).json["output"]
    assert "nobody-there" in logged


def test_the_page_says_so_when_the_server_is_deleted(running, browser):
    cloud, server_id = running
    browser.call("Page.navigate", url=url_of(cloud, server_id))
    wait_for_state(browser, "open")

    began = time.monotonic()
    assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
    wait_for_state(browser, "ended")

    assert time.monotonic() - began < 20
    assert "has ended" in browser.evaluate("document.body.innerText")
