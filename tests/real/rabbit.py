"""A RabbitMQ of the tests' own: node name, ports, epmd and folders of its own. The machine's is never touched."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from nova_lite.conf.broker import BrokerOptions
from nova_lite.rpc import broker

BOOT_S = 90.0
OWN_SESSION = ("setsid", "--wait")  # the kernel shares processors out by session: in a test's own it might starve
ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


def installation() -> Path | None:
    """Find the scripts that do not insist on the machine's own node."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))
    return found[-1] if found else None


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        channels = [stack.enter_context(socket.socket()) for _ in range(count)]
        for channel in channels:
            channel.bind(("127.0.0.1", 0))
        return [channel.getsockname()[1] for channel in channels]


class Rabbit:
    """One node. `start` and `stop` keep its data; `remove` takes everything away."""

    def __init__(self, *, first: Rabbit | None = None) -> None:
        """With `first`, a running node, this one joins its cluster when it boots for the first time."""
        self.home = Path(tempfile.mkdtemp(prefix="nova-lite-rabbit-"))
        self.port, self._distribution, self._epmd = free_ports(3)
        self._owns_epmd = first is None
        self.node = f"test{self.port}@localhost"
        self._process: subprocess.Popen[bytes] | None = None
        self._sbin = installation()
        (self.home / "plugins").write_text("[].\n")
        settings = "vm_memory_high_watermark.absolute = 2GB\ndisk_free_limit.absolute = 50MB\n"
        if first is not None:
            self._epmd = first._epmd
            settings += "cluster_formation.peer_discovery_backend = classic_config\n"
            settings += f"cluster_formation.classic_config.nodes.1 = {first.node}\n"
            shutil.copy2(first.home / ".erlang.cookie", self.home / ".erlang.cookie")
        (self.home / "rabbit.conf").write_text(settings)
        self.environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbit"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.home / "none.config"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        command = str(self._sbin / "rabbitmqctl") if self._sbin else "rabbitmqctl"
        self.ctl = broker.Ctl(command=(*OWN_SESSION, command), environment=self.environment)

    def start(self) -> None:
        """Boot, or boot again, and wait until it takes connections."""
        with (self.home / "out.log").open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._sbin / "rabbitmq-server")],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + BOOT_S
        while not self._accepts():
            assert self._process.poll() is None, (self.home / "out.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "RabbitMQ did not boot in time"
            time.sleep(0.1)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Cut its power."""
        self._end(signal.SIGKILL)

    def runs(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def pause(self) -> None:
        """Let it hang: connections stay open, nothing answers."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def run_ctl(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.ctl.command, "--quiet", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def lengths(self, vhost: str) -> dict[str, int]:
        """Tell how many messages each queue of a virtual host has; in milliseconds, where rabbitmqctl takes seconds."""
        form = f"""binary_to_list(iolist_to_binary([[element(4, proplists:get_value(name, I)), " ",
            integer_to_list(proplists:get_value(messages, I)), ","] || I <- rabbit_amqqueue:info_all(<<"{vhost}">>, [name, messages])]))."""
        found = sorted(Path("/usr/lib/erlang").glob("erts-*/bin/erl_call"))
        command = [*OWN_SESSION, str(found[-1]), "-sname", self.node, "-e"]
        done = subprocess.run(
            command, input=form + "\n", env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        told = re.fullmatch(r'\{ok, (?:\[\]|"([^"]*),")\}', done.stdout.strip())
        assert told, done
        counts = (one.rpartition(" ") for one in (told[1] or "").split(",") if one)
        return {name: int(count) for name, _, count in counts}

    def remove(self) -> None:
        """Take node, epmd and data away."""
        if self.runs():
            self.kill()
        if self._owns_epmd:
            self._end_epmd()
        shutil.rmtree(self.home, ignore_errors=True)

    def options(self, vhost: str = "nova-lite") -> BrokerOptions:
        """Give the options of a control side with a virtual host and user of its own, set up."""
        url = f"amqp://{vhost}:{secrets.token_hex(8)}@127.0.0.1:{self.port}/{vhost}"
        options = BrokerOptions(url=url, url_file=self.home / f"{vhost}.url")
        broker.setup(options, self.ctl)
        return options

    def host_url(self, options: BrokerOptions, name: str) -> str:
        """Make a host's user and give its URL."""
        return broker.add_host_user(options, name, ctl=self.ctl)

    def _end_epmd(self) -> None:
        """End the name server; it refuses for a moment after its node was killed."""
        programs = [Path("/usr/bin/epmd"), *Path("/usr/lib/erlang").glob("erts-*/bin/epmd")]
        program = next((str(path) for path in programs if path.exists()), None)
        for _ in range(20 if program else 0):
            subprocess.run([program, "-kill"], env=self.environment, capture_output=True, timeout=10, check=False)
            with contextlib.closing(socket.socket()) as channel:
                if channel.connect_ex(("127.0.0.1", self._epmd)) != 0:
                    return
            time.sleep(0.25)

    def _accepts(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as channel:
                channel.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(channel.recv(1))
        except OSError:
            return False

    def _end(self, how: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)
        self._process.wait(30)
        deadline = time.monotonic() + 30
        while self._accepts() and time.monotonic() < deadline:
            time.sleep(0.1)
