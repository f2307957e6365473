"""An operator who looks at the services five times a second, in a process of its own: floods in ours must not slow the clock.

`python probe.py TOKEN PORT...` says when it begins, asks each port until its input ends, then prints the number of looks, the
longest in seconds, how many did not get 200, and the longest of as many looks at a server that has nothing else to do: so long
a process on this machine waits for a processor, which its clients, the cloud and whatever else runs there share.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from types import TracebackType

PATH = "/compute/v2.1/os-services"
PAUSE_S = 0.2
READY = "ready\n"


class Probe:
    """Looks while the block runs; then `looks`, `longest_s` and `failed` say what came of it, and `idle_s` what an idle server took."""

    looks = 0
    longest_s = 0.0
    failed = 0
    idle_s = 0.0

    def __init__(self, token: str, ports: list[int]) -> None:
        """Ask the apis at these ports in turn."""
        self._command = [sys.executable, __file__, token, *map(str, ports)]

    def __enter__(self) -> Probe:
        """Begin, once it can look: on a crowded machine a short flood was over before it had started."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == READY, "the operator's process has ended"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End, and take over the result."""
        told, _ = self._process.communicate("", timeout=60)
        looks, longest, failed, idle = told.split()
        self.looks, self.longest_s, self.failed, self.idle_s = int(looks), float(longest), int(failed), float(idle)


def look(port: int, token: str) -> tuple[bool, float]:
    """Ask once, on a connection of its own; give whether it was answered, and after how long."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", PATH, headers={"X-Auth-Token": token})
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200, time.monotonic() - began
    except OSError:
        return False, time.monotonic() - began
    finally:
        connection.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def idle_server() -> Iterator[int]:
    """Have a server that nobody else asks, in a process of its own; give its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    nowhere = subprocess.DEVNULL
    server = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)
    try:
        while server.poll() is None and not _listens(port):
            time.sleep(0.1)
        yield port
    finally:
        server.kill()
        server.wait()


def main(token: str, ports: list[int]) -> None:
    """Look until the input ends."""
    seen, idle = [], []
    with idle_server() as yardstick:
        sys.stdout.write(READY)
        sys.stdout.flush()
        while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
            seen += [look(port, token) for port in ports]
            idle += [look(yardstick, token)[1] for _ in ports]
    longest_s = max((seconds for _, seconds in seen), default=0.0)
    sys.stdout.write(f"{len(seen)} {longest_s:.3f} {sum(not good for good, _ in seen)} {max(idle, default=0.0):.3f}\n")


if __name__ == "__main__":
    main(sys.argv[1], [int(port) for port in sys.argv[2:]])
