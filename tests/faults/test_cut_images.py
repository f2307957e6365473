"""Image data over a line that is cut fifty times, and through ten deaths of the api: the right hash, and no byte leaked.

A failure names its seed; NOVA_LITE_SEED plays it again.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from faults.cutting import CuttingProxy
from faults.small_api import PASSWORD, SmallApi

from nova_lite.cli import clouds_file
from nova_lite.cli.image_download import Download
from nova_lite.cli.image_upload import Upload
from nova_lite.db.tables.images import image_parts

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("NOVA_LITE_SEED") or random.randrange(1_000_000))
CUTS, KILLS = 50, 10
SIZE = (8 << 20) + 12_345
FAR = 400_000  # bytes until a cut, at most
RAW = {"name": "cut", "disk_format": "raw", "container_format": "bare"}


class Unseen:
    """A meter that shows nothing, and tells how far it is to whoever wants to act then."""

    def __init__(self, act=lambda done: None):
        self.at = act

    def begin(self, total):
        pass

    def note(self, text):
        pass

    def end(self):
        pass


class FarCutter(CuttingProxy):
    """Cuts most connections somewhere in the body, others in the headers or in the answer, until there were enough."""

    def __init__(self, port, seed, *, upwards):
        super().__init__(port, seed)
        self._upwards = upwards

    @property
    def cuts(self):
        return self.cut_requests + self.cut_answers

    def _plan(self, chance):
        if self.cuts >= CUTS:
            return None, None
        far, near = chance.randrange(FAR), chance.randrange(600)
        in_the_body = (far, None) if self._upwards else (None, far)
        return chance.choice([in_the_body] * 8 + [(near, None), (None, near)])


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    made = SmallApi(tmp_path_factory.mktemp("api"))
    yield made
    made.close()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(random.Random(SEED).randbytes(SIZE))
    return path


def of_file(path):
    return hashlib.sha512(path.read_bytes()).hexdigest()


def need_only(api, image_id):
    """See that the store holds one image, whole, and the books no half one."""
    files = api.files()
    assert [name.partition(".")[0] for name in files] == [f"kept/{image_id}"], f"seed {SEED}: {files}"
    with api.database.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(image_parts)).scalar_one() == 0


def test_uploads_over_a_line_that_is_cut_fifty_times(api, source):
    line = api.line()
    with FarCutter(api.port, SEED, upwards=True) as cutter:
        while cutter.cuts < CUTS:  # a cut in the last answer ends an upload with few
            image_id = line.create(RAW)
            Upload(api.line(cutter.url), image_id, source, Unseen()).run()
            image = line.show(image_id)
            assert (image["status"], image["os_hash_value"]) == ("active", of_file(source)), f"seed {SEED}"
            need_only(api, image_id)
            line.delete(image_id)

    assert cutter.cuts == CUTS, f"seed {SEED}"
    assert api.files() == []


def test_downloads_over_a_line_that_is_cut_fifty_times(api, source, tmp_path):
    line, target = api.line(), tmp_path / "target"
    image_id = line.create(RAW)
    Upload(line, image_id, source, Unseen()).run()
    with FarCutter(api.port, SEED, upwards=False) as cutter:
        while cutter.cuts < CUTS:
            Download(api.line(cutter.url), image_id, target, Unseen()).run()
            assert of_file(target) == of_file(source), f"seed {SEED}"

    assert cutter.cuts == CUTS, f"seed {SEED}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]
    line.delete(image_id)
    assert api.files() == []


def test_an_upload_through_ten_deaths_of_the_api(api, source):
    line, chance = api.line(), random.Random(SEED)
    image_id = line.create(RAW)
    ends = sorted(chance.randrange(SIZE) for _ in range(KILLS - 1)) + [SIZE]
    before = api.kills

    def kill_at(done):
        if ends and done >= ends[0]:
            ends.pop(0)
            api.kill()
            api.start()

    Upload(line, image_id, source, Unseen(kill_at)).run()
    image = line.show(image_id)

    assert (image["status"], image["os_hash_value"]) == ("active", of_file(source)), f"seed {SEED}"
    assert api.kills - before == KILLS, f"seed {SEED}"
    need_only(api, image_id)
    line.delete(image_id)
    assert api.files() == []


def nova_lite(folder, *arguments):
    command = [str(Path(sys.prefix) / "bin/nova-lite"), "image", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    environment = kept | {"OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_commands_upload_go_on_download_and_leave_nothing_of_what_is_wrong(api, source, tmp_path):
    entries = clouds_file.entries(f"{api.url}/identity/v3", "RegionOne", {"demo": PASSWORD, "admin": PASSWORD})
    clouds_file.merge(tmp_path / "clouds.yaml", entries)
    line, target = api.line(), tmp_path / "target"
    half = line.create(RAW)
    requests.put(
        f"{api.url}/image/v2/images/{half}/file",
        data=source.read_bytes()[:1000],
        headers={"X-Auth-Token": api.token, "Content-Type": "application/octet-stream", "Content-Range": f"bytes 0-999/{SIZE}"},
        timeout=30,
    )

    gone_on = nova_lite(tmp_path, "upload", str(source), "--image", half)
    fresh = nova_lite(tmp_path, "upload", str(source), "--name", "fresh")
    image_id = fresh.stdout.strip()
    (tmp_path / f"target.{image_id}.part").write_bytes(source.read_bytes()[:5000])
    brought = nova_lite(tmp_path, "download", image_id, str(target))
    again = nova_lite(tmp_path, "download", image_id, str(target))
    (tmp_path / f"other.{image_id}.part").write_bytes(b"damaged")
    damaged = nova_lite(tmp_path, "download", image_id, str(tmp_path / "other"))
    refused = nova_lite(tmp_path, "upload", str(source), "--disk-format", "qcow2")

    assert (gone_on.returncode, gone_on.stdout.strip()) == (0, half), gone_on.stderr
    assert line.show(half)["os_hash_value"] == of_file(source)
    assert (fresh.returncode, line.show(image_id)["name"]) == (0, "fresh"), fresh.stderr
    assert (brought.returncode, of_file(target)) == (0, of_file(source)), brought.stderr
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert (damaged.returncode, "does not have the image's hash" in damaged.stderr) == (1, True)
    assert not list(tmp_path.glob("*.part"))
    assert (refused.returncode, "content is raw" in refused.stderr) == (1, True)
    for one in (half, image_id):
        line.delete(one)
    assert api.files() == []
