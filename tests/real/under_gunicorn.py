"""Another project's service as a process of gunicorn's, which has its address and application in the file of its folder."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import requests

READY_S = 90.0
END_S = 20.0


class UnderGunicorn:
    """The process: `gunicorn` stands in the folder `programs`, its configuration in `home`, and it serves at `ping`."""

    home: Path
    programs: Path
    process: subprocess.Popen[bytes] | None = None

    def variables(self) -> dict[str, str]:
        """Give the environment that the service reads its configuration by."""
        raise NotImplementedError

    @property
    def ping(self) -> str:
        """The URL that answers 200 once it is ready."""
        raise NotImplementedError

    @property
    def log(self) -> Path:
        return self.home / "gunicorn.log"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(self.programs / "gunicorn")],
                cwd=self.home,
                env={"PATH": os.environ["PATH"], "HOME": str(self.home), **self.variables()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_S
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"{type(self).__name__} did not start in time"
            time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(END_S)
        self.process = None

    def _answers(self) -> bool:
        try:
            return requests.get(self.ping, timeout=5).status_code == 200
        except requests.RequestException:
            return False
