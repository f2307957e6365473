"""What starts in each api process."""

from __future__ import annotations

import threading
import time

from oslo_config import cfg

from nova_lite.api.build import build
from nova_lite.conf import load
from nova_lite.identity.service import ensure_all_keys
from nova_lite.image.service import Images


def test_a_store_that_hangs_keeps_no_api_from_serving(tmp_path, monkeypatch):
    sweeping, answers = threading.Event(), threading.Event()

    def hang(_images):
        sweeping.set()
        answers.wait(60)

    ensure_all_keys(tmp_path, time.time())
    monkeypatch.setattr(Images, "start", hang)
    path = tmp_path / "nova-lite.conf"
    path.write_text(f"[DEFAULT]\nstate_dir = {tmp_path}\n[database]\nurl = sqlite:///{tmp_path}/x.db\n")
    built = build(load.load([], files=[path], conf=cfg.ConfigOpts()))
    try:
        for start in built.start:
            start()

        assert sweeping.wait(10)
    finally:
        answers.set()
