"""A whole cloud of real processes for one test: daemons, RabbitMQ of its own, simulated hosts. Everything is killable."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from faults import points
from faults.case import CloudSpec
from real import databases
from real import rabbit as RABBIT
from real.rabbit_cluster import RabbitCluster

from nova_lite.cli import keeping, phases
from nova_lite.cli.installation import Installation
from nova_lite.cli.steps import Steps
from nova_lite.durable import journal
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName
from nova_lite.rpc import join, signing

HERE = Path(__file__).parent
READY_S = 60.0
TRIES = 240
CUT = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)  # also in mid-answer
NETWORK = "10.96.0.0/16"  # room for the servers of a case that boots for minutes
TOKEN_S = 1800.0  # half of what a token holds: cases that share a cloud may take longer than that together
COMMAND_S = 180.0  # of an operator, on a machine with a load of thirty
KEEPS = "[servers]\nreclaim_instance_interval = 86400\n[shelving]\nshelved_offload_time = -1\n"
KEEPER_S = 1.0  # how long a keeper waits before it starts a dead daemon again


SINGLE = CloudSpec(apis=1, conductors=1, schedulers=1, database="sqlite")


class Cloud:
    """Daemons by name: `api.1`, `conductor.2`, `scheduler.1`, `console.1`, and each host's `compute.<host>`, or `compute.all`."""

    def __init__(
        self,
        root: Path,
        rabbit: Any,
        *,
        host_names: tuple[str, ...],
        database_url: str = "",
        api_threads: int = 16,
        spec: CloudSpec = SINGLE,
    ):
        """Nothing runs yet. Of `spec` the numbers of the control daemons and the extra configuration count."""
        self.root = root
        self.rabbit = rabbit
        self.host_names = host_names
        self.spec = spec
        self.ports = RABBIT.free_ports(spec.apis)
        self.console_port = RABBIT.free_ports(1)[0]
        self.port = self.ports[0]
        self.broker = rabbit.options(f"cloud{self.port}")
        self.config = root / "nova-lite.conf"
        self.config.write_text(
            f"[DEFAULT]\nstate_dir = {root}/state\nrun_dir = {root}/run\nlog_dir = {root}/log\nhealth_port = 0\n"
            f"[api]\nport = {self.port}\nthreads = {api_threads}\n"
            f"[broker]\nurl = {self.broker.url}\n[console]\nport = {self.console_port}\n"
            f"[compute]\ndriver = fake\n[network]\ncidr = {NETWORK}\n"
            + (f"[database]\nurl = {database_url}\n" if database_url else "")
            + (KEEPS if spec.keeps else "")
            + spec.extra_config
        )
        self.installation = Installation((self.config,))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.faults: dict[str, points.Plan] = {name: points.Plan(root / f"{name}.faults.json") for name in self.daemons()}
        self.extra_environment: dict[str, dict[str, str]] = {}  # of each daemon, from its next start on
        self.lost: set[str] = set()  # daemons whose machine has no power: nobody starts them
        self.requests = 0
        self._turns = itertools.count()
        self._keeping = threading.Lock()
        self._token, self._logged_in = "", 0.0
        self.project_id = ""

    # -- life ----------------------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Make keys, database, first users, and the hosts' join files."""
        bringing = phases.Bringing(self.installation, Steps())
        note = _Silent()
        bringing.make_keys(note)
        bringing.migrate(note)
        bringing.bootstrap(note)
        public = signing.public_text(signing.read_control_key(self.installation.keys_dir))
        for name in self.host_names:
            key = self.database.transact(lambda tx, name=name: hosts.add_host(tx, HostName(name)))
            join.JoinFile(
                host=name,
                broker_url=self.rabbit.host_url(self.broker, name),
                control_public_key=public,
                mac_key=key,
                api_url=self.url,
            ).write(self.join_file(name))

    def start(self) -> None:
        """Start everything and wait until it serves."""
        for name in self.daemons():
            self.spawn(name)
        self.wait(self.is_ready, READY_S, "the cloud is ready")

    def names(self, kind: str) -> list[str]:
        """Give the names of all daemons of a kind: `api`, `conductor`, `scheduler`, `console` or `compute`."""
        if kind == "compute":
            return ["compute.all"] if self.spec.one_compute else [f"compute.{host}" for host in self.host_names]
        spec = self.spec
        count = {"api": spec.apis, "conductor": spec.conductors, "scheduler": spec.schedulers, "console": spec.consoles}[kind]
        return [f"{kind}.{number}" for number in range(1, count + 1)]

    def daemons(self) -> list[str]:
        """Give the names of all daemons, in the order of their start."""
        return [name for kind in ("conductor", "scheduler", "compute", "console", "api") for name in self.names(kind)]

    def spawn(self, name: str) -> None:
        """Start one daemon, with its fault points; its output goes to a file of its name."""
        kind, _, which = name.partition(".")
        command = [sys.executable, str(HERE / "daemon.py"), kind, "--config-file", str(self.config)]
        if kind == "compute":
            for host in self.host_names if self.spec.one_compute else (which,):
                command += ["--join", str(self.join_file(host))]
        with self.log(name).open("ab") as output:
            self.processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=self.environment(name),
            )

    def environment(self, name: str) -> dict[str, str]:
        """Give the environment of one daemon: its fault points, and what differs from the common configuration."""
        kind, _, which = name.partition(".")
        own = {"OS_API__PORT": str(self.ports[int(which) - 1])} if kind == "api" else {}
        return {**_environment(), points.VARIABLE: str(self.faults[name].path), **own, **self.extra_environment.get(name, {})}

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Start what dies anew after a second while the block lasts, as a keeper does; all run when it ends."""
        done = threading.Event()
        died: dict[str, float] = {}

        def look() -> None:
            for name, process in list(self.processes.items()):
                if (
                    name not in self.lost
                    and process.poll() is not None
                    and time.monotonic() - died.setdefault(name, time.monotonic()) > KEEPER_S
                ):
                    del died[name]
                    self.kill(name)
                    self.spawn(name)

        def keep() -> None:
            while not done.wait(0.1):
                with self._keeping:
                    look()

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(30)
            for name, process in list(self.processes.items()):
                if name not in self.lost and process.poll() is not None:
                    self.spawn(name)

    def log(self, name: str) -> Path:
        return self.root / f"{name}.log"

    def kill(self, name: str) -> None:
        """Cut a daemon's power, with all of its children."""
        process = self.processes[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def end(self, name: str, timeout_s: float) -> int:
        """Ask a daemon to end, as a keeper does; give its exit code. Raises: TimeoutExpired when it does not in time."""
        self.processes[name].send_signal(signal.SIGTERM)
        return self.processes[name].wait(timeout_s)

    def lose_host(self, host: str) -> None:
        """Take a host's power for longer, and say so as its operator does: then its servers may be evacuated."""
        self.lost.add(f"compute.{host}")
        self.kill(f"compute.{host}")
        self._force_down(host, True)

    def bring_host_back(self, host: str) -> None:
        """Start a lost host again, and let it be used."""
        self.lost.discard(f"compute.{host}")
        self.spawn(f"compute.{host}")
        self._force_down(host, False)
        self.wait(self.is_ready, READY_S, f"{host} is back")

    def _force_down(self, host: str, down: bool) -> None:
        body = {"host": host, "binary": "nova-compute", "forced_down": down}
        self.compute("PUT", "/os-services/force-down", body, **{"X-OpenStack-Nova-API-Version": "2.11"})

    def restart(self, name: str) -> None:
        """Kill a daemon and start it anew, as its keeper would."""
        self.kill(name)
        self.spawn(name)

    def close(self) -> None:
        """Take everything away."""
        for name in self.processes:
            self.kill(name)
        self.database.dispose()

    # -- use -----------------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Give the address of one api after another."""
        return f"http://127.0.0.1:{self.ports[next(self._turns) % len(self.ports)]}"

    @property
    def database(self) -> Any:
        return self.installation.database

    def join_file(self, host: str) -> Path:
        return join.default_path(self.installation.daemon.state_dir, host)

    def token(self, user: str = "admin") -> str:
        """Log in, once in so long as a token holds; admins see and may everything."""
        if not self._token or time.monotonic() - self._logged_in > TOKEN_S:
            answer = self._log_in(user)
            self._token, self._logged_in = answer.headers["X-Subject-Token"], time.monotonic()
            self.project_id = answer.json()["token"]["project"]["id"]
        return self._token

    def fresh_token(self, port: int, user: str = "admin") -> str:
        """Log in once more, at the api that listens there."""
        return self._log_in(user, f"http://127.0.0.1:{port}").headers["X-Subject-Token"]

    def _log_in(self, user: str, url: str = "") -> requests.Response:
        password = keeping.passwords(self.installation.keys_dir)[user]
        domain = {"id": "default"}
        identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
        body = {"auth": {"identity": identity, "scope": {"project": {"name": user, "domain": domain}}}}
        for _ in range(TRIES):
            with contextlib.suppress(*CUT):
                answer = requests.post(f"{url or self.url}/identity/v3/auth/tokens", json=body, timeout=30)
                if answer.status_code not in (429, 503):
                    answer.raise_for_status()
                    return answer
            time.sleep(0.25)
        raise AssertionError("nobody can log in")

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[requests.Response, bool]:
        """Ask the API as a patient client does: what does not answer or says 429 or 503 is asked again.

        Give the answer, and whether an earlier request may have been taken although its answer was lost.
        """
        lost = False
        for attempt in range(TRIES):
            try:
                self.requests += 1
                known = {"X-Auth-Token": self.token(), **headers}
                answer = requests.request(method, f"{self.url}{path}", json=body, timeout=30, headers=known)
            except CUT:
                lost = True
            else:
                if answer.status_code not in (429, 503):
                    return answer, lost
            if attempt % len(self.ports) == len(self.ports) - 1:
                time.sleep(0.25)
        raise AssertionError(f"{method} {path}: no answer")

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send what has to succeed; give its JSON."""
        answer, _ = self.send(method, path, body, **headers)
        if answer.status_code >= 400:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content and "json" in answer.headers.get("Content-Type", "") else None

    def compute(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.request(method, f"/compute/v2.1{path}", body, **headers)

    def act(self, server_id: str, action: Any) -> bool | None:
        """Ask for an action; give whether it was taken, or None when that cannot be told because an answer was lost."""
        version = {"X-OpenStack-Nova-API-Version": "2.17" if "trigger_crash_dump" in action else "2.1"}
        answer, lost = self.send("POST", f"/compute/v2.1/servers/{server_id}/action", action, **version)
        if answer.status_code in (200, 202, 204):
            return True
        assert answer.status_code in (404, 409), f"{action}: {answer.status_code} {answer.text[:500]}"
        return None if lost else False

    def delete(self, server_id: str, *, for_good: bool = True) -> None:
        """Ask for a delete, which is always taken; a repeated one may find nothing any more."""
        path = f"/compute/v2.1/servers/{server_id}"
        if self.spec.keeps and for_good:
            answer, _ = self.send("POST", f"{path}/action", {"forceDelete": None})
        else:
            answer, _ = self.send("DELETE", path)
        assert answer.status_code in (202, 204, 404), f"{answer.status_code} {answer.text[:500]}"

    def make_quota_ample(self) -> None:
        """Let the admin's project have many servers."""
        self.token()
        quota = {"instances": 10000, "cores": 100000, "ram": 100_000_000}
        self.compute("PUT", f"/os-quota-sets/{self.project_id}", {"quota_set": quota})

    def image(self) -> str:
        """Make a small active image; an upload that is cut is begun anew with another image, and the first one deleted."""
        while True:
            plain = {"name": "tiny", "disk_format": "raw", "container_format": "bare"}
            made = self.request("POST", "/image/v2/images", plain)
            known = {"X-Auth-Token": self.token(), "Content-Type": "application/octet-stream"}
            place = f"{self.url}/image/v2/images/{made['id']}/file"
            with contextlib.suppress(*CUT):
                answer = requests.put(place, data=b"x" * 65536, headers=known, timeout=30)
                if answer.status_code == 204:
                    return str(made["id"])
                assert answer.status_code == 503, answer.text
            self.send("DELETE", f"/image/v2/images/{made['id']}")

    def boot(self, name: str, image: str, flavor: str = "1") -> str:
        """Have a server accepted; one only, however often the request has to be repeated."""
        body = {"server": {"name": name, "imageRef": image, "flavorRef": flavor}}
        key = {"Idempotency-Key": secrets.token_hex(16)}
        return str(self.compute("POST", "/servers", body, **key)["server"]["id"])

    def servers(self) -> dict[str, dict[str, Any]]:
        """List all servers of the project by id, those that were deleted and are kept too."""
        lists = ("", "&status=SOFT_DELETED") if self.spec.keeps else ("",)
        found = [self.compute("GET", f"/servers/detail?limit=1000{which}")["servers"] for which in lists]
        return {server["id"]: server for servers in found for server in servers}

    def in_hand(self) -> int:
        """Count the operations that have not ended."""
        with self.database.read() as tx:
            return len(journal.live(tx))

    def serves(self) -> bool:
        """Whether every api answers."""
        try:
            return all(requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200 for port in self.ports)
        except requests.RequestException:
            return False

    def is_ready(self) -> bool:
        if not self.serves():
            return False
        with self.database.read() as tx:
            up = sum(host.up for host in hosts.list_hosts(tx))
        return up == len(self.host_names)

    def wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout_s} s: {what}\n{self.last_words()}")
            time.sleep(0.2)

    def last_words(self) -> str:
        """Give the last lines of every log."""
        words = []
        for path in sorted(self.root.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-8:]
            words.append(f"--- {path.name}\n" + "\n".join(lines))
        return "\n".join(words)

    def guests(self) -> dict[str, list[tuple[str, int]]]:
        """Look into the hypervisors of all simulated hosts: server id to each host that has its guest, and the guest's power."""
        found: dict[str, list[tuple[str, int]]] = {}
        for host in self.host_names:
            for path in self.host_folder(host).glob("hypervisor.json"):
                for server_id, guest in json.loads(path.read_text())["guests"].items():
                    found.setdefault(server_id, []).append((host, int(guest["power_state"])))
        return found

    def boots(self) -> dict[str, int]:
        """Tell how often each guest was booted."""
        found: dict[str, int] = {}
        for host in self.host_names:
            for path in self.host_folder(host).glob("hypervisor.json"):
                for server_id, guest in json.loads(path.read_text())["guests"].items():
                    found[server_id] = found.get(server_id, 0) + int(guest["boots"])
        return found

    def host_folder(self, host: str) -> Path:
        return Path(self.installation.daemon.state_dir / "compute" / host)

    def behave(self, behaviour: dict[str, Any]) -> None:
        """Set what every simulated hypervisor does, from now on."""
        for host in self.host_names:
            self.host_folder(host).mkdir(parents=True, exist_ok=True)
            fresh = self.host_folder(host) / "behaviour.new"
            fresh.write_text(json.dumps(behaviour))
            fresh.replace(fresh.with_suffix(".json"))

    def story(self, of: str) -> str:
        """Ask `nova-lite story` what happened to a server or request."""
        command = [str(Path(sys.prefix) / "bin" / "nova-lite"), "--config-file", str(self.config), "story", of]
        done = _run(command)
        return done.stdout + done.stderr

    def doctor(self) -> list[dict[str, str]]:
        """Ask `nova-lite doctor` what is wrong; that nobody but this test keeps the daemons is left out."""
        command = [str(Path(sys.prefix) / "bin" / "nova-lite"), "--config-file", str(self.config), "doctor", "--json"]
        done = _run(command)
        assert done.returncode == 1, done.stderr
        findings = json.loads(done.stdout)
        kept, others = [[one for one in findings if (one["check"] == "daemons") is which] for which in (True, False)]
        assert len(kept) == 1, kept
        return others


class _Silent:
    def say(self, _word: str) -> None:
        """Say nothing."""


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run an operator's command, in a session of its own: the kernel shares processors out by session."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=COMMAND_S, check=False, env=_environment(), start_new_session=True
    )


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def running(root: Path, *, host_names: tuple[str, ...], database_url: str = "", spec: CloudSpec = SINGLE) -> Iterator[Cloud]:
    """Have a cloud with a RabbitMQ of its own."""
    rabbit: Any = RABBIT.Rabbit() if spec.broker_nodes == 1 else RabbitCluster(spec.broker_nodes)
    try:
        rabbit.start()
        cloud = Cloud(root, rabbit, host_names=host_names, database_url=database_url, spec=spec)
        try:
            cloud.set_up()
            cloud.start()
            yield cloud
        finally:
            cloud.close()
    finally:
        rabbit.remove()


@contextlib.contextmanager
def running_spec(root: Path, spec: CloudSpec) -> Iterator[Cloud]:
    """Have a cloud as a case wants it, on a database of its own, with ample quota."""
    root.mkdir(parents=True, exist_ok=True)
    names = tuple(f"h{number}" for number in range(1, spec.hosts + 1))
    with contextlib.ExitStack() as stack:
        url = ""
        if spec.database == "postgres":
            url = stack.enter_context(stack.enter_context(databases.postgres()).database())
        cloud = stack.enter_context(running(root, host_names=names, database_url=url, spec=spec))
        cloud.make_quota_ample()
        yield cloud
