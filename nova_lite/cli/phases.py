"""The phases of bringing a cloud up, in order. Each finds what is done already, and may be repeated after a crash."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from nova_lite import errors
from nova_lite.cli import clouds_file, joining, keeping, machine_services, novnc, simulation
from nova_lite.cli.daemons import ORDER, Keeper, Program, program
from nova_lite.cli.footprint import Footprint
from nova_lite.cli.installation import Installation
from nova_lite.cli.keepers import keeper_of
from nova_lite.cli.leftovers import FILES
from nova_lite.cli.steps import Note, Steps
from nova_lite.clock import SystemClock
from nova_lite.conf import broker as broker_conf
from nova_lite.conf import compute as compute_conf
from nova_lite.conf import network as network_conf
from nova_lite.db import migrate
from nova_lite.identity import bootstrap as identity_bootstrap
from nova_lite.identity import outside
from nova_lite.identity.service import ensure_all_keys
from nova_lite.image import catalogue, tickets
from nova_lite.inventory import hosts
from nova_lite.network import bootstrap as network_bootstrap
from nova_lite.rpc import broker, join, signing
from nova_lite.runtime.daemon import HEALTH_PORTS
from nova_lite.servers import flavors

READY_S = 60


class Bringing:
    """One run of `up` on an installation."""

    def __init__(self, installation: Installation, steps: Steps) -> None:
        """`steps` shows what is done."""
        self.installation = installation
        self.steps = steps
        self.footprint = Footprint(installation.daemon.state_dir)
        self.broker_was_well = False

    def run(self, simulate: simulation.Plan) -> None:
        """Bring everything up, until the APIs answer and this machine takes servers."""
        phases: Sequence[tuple[str, Callable[[Note], None]]] = (
            ("Folders and keys", self.make_keys),
            ("RabbitMQ", self.start_broker),
            ("Messages: virtual host, users, queues", self.set_up_broker),
            ("Database", self.migrate),
            ("Projects, flavors, network", self.bootstrap),
            ("Identity", self.look_at_identity),
            ("libvirt", self.start_libvirt),
            ("This machine as a compute host", self.add_this_host),
            ("Consoles", self.fetch_novnc),
        )
        for title, phase in phases:
            with self.steps.step(title) as note:
                phase(note)
        programs = self.programs()
        if simulate.count:
            with self.steps.step(f"{simulate.count} simulated hosts") as note:
                programs += simulation.prepare(self.installation, simulate, broker_knows_them=self.broker_was_well)
                note.say("one process each" if simulate.processes else "in one process")
        with self.steps.step("Daemons") as note:
            self.start_daemons(programs, note)
        with self.steps.step("clouds.yaml") as note:
            self.write_clouds(note)

    def make_keys(self, note: Note) -> None:
        """Make the folders, and the keys that only this installation has."""
        options = self.installation.daemon
        for folder, mode in ((options.state_dir, 0o755), (options.run_dir, 0o755), (options.log_dir, 0o750)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        signing.ensure_control_key(self.installation.keys_dir)
        ensure_all_keys(options.state_dir, SystemClock().wall())
        tickets.ensure_key(tickets.key_file(options.state_dir))
        keeping.passwords(self.installation.keys_dir)
        note.say(str(options.state_dir))

    def start_broker(self, note: Note) -> None:
        """Have RabbitMQ answer."""
        url = broker_conf.read(self.installation.conf).url
        note.say(machine_services.ensure_rabbitmq(machine_services.address_of(url), self.footprint))

    def set_up_broker(self, note: Note) -> None:
        """Set the broker up, unless it lets us in and has our queues."""
        status = broker.broker_status(broker_conf.read(self.installation.conf))
        if status.well:
            self.broker_was_well = True
            note.say("there")
            return
        joining.set_up_broker(self.installation)
        note.say("made")

    def migrate(self, note: Note) -> None:
        """Bring the database to this release's version."""
        file = self.installation.database.engine.url.database
        if self.installation.database.dialect == "sqlite" and file:
            Path(file).touch(mode=0o600)  # before anything is in it: hashes and hosts' keys will be
        before, after = migrate.upgrade(self.installation.database)
        note.say(f"version {after}" if before == after else f"{before or 'empty'} to version {after}")

    def bootstrap(self, note: Note) -> None:
        """Make the first users, flavors, metadata definitions and the network."""
        installation = self.installation
        if installation.identity.keystone is None:
            passwords = keeping.passwords(installation.keys_dir)
            identity_bootstrap.bootstrap(
                installation.database,
                admin_password=passwords["admin"],
                demo_password=passwords["demo"],
                region=installation.identity.region,
                public_url=installation.public_url,
            )
        flavors.bootstrap(installation.database)
        catalogue.bootstrap(installation.database)
        network_bootstrap.bootstrap(installation.database, network_conf.read(installation.conf))

    def look_at_identity(self, note: Note) -> None:
        """Have the outside Keystone let our service user in, where it is used."""
        options = self.installation.identity.keystone
        if options is None:
            note.say("embedded")
            return
        if not options.password:
            raise errors.ConfigError("Keystone does not know this cloud yet; run: nova-lite identity register")
        outside.of_service_user(options).log_in()
        note.say(options.auth_url)

    def start_libvirt(self, note: Note) -> None:
        """Have libvirt answer, where this machine's driver needs it."""
        if compute_conf.read(self.installation.conf).driver != "libvirt":
            note.say("not used")
            return
        note.say(machine_services.ensure_libvirt(self.footprint))

    def add_this_host(self, note: Note) -> None:
        """Add this machine, with its join file."""
        joining.add_host(self.installation, self.installation.host, broker_knows_it=self.broker_was_well)
        note.say(self.installation.host)

    def fetch_novnc(self, note: Note) -> None:
        """Have the scripts that draw guests' screens."""
        note.say(novnc.ensure(self.installation.daemon.state_dir))

    def programs(self) -> list[Program]:
        """List the daemons of this machine."""
        own = [join.default_path(self.installation.daemon.state_dir, self.installation.host)]
        joins = {"compute": own}
        return [program(kind, self.installation.files, join_files=joins.get(kind, ())) for kind in ORDER]

    def start_daemons(self, programs: Sequence[Program], note: Note) -> None:
        """Have the daemons run, and wait until they serve."""
        keeper = keeper_of(self.installation)
        note.say("started" if keeper.start(programs) else "run")
        deadline = time.monotonic() + READY_S
        while not (self._daemons_serve(keeper) and self._host_is_up() and self._api_answers()):
            if time.monotonic() > deadline:
                raise errors.Unavailable(self._why_not(deadline))
            time.sleep(0.2)

    def _daemons_serve(self, keeper: Keeper) -> bool:
        """Whether all run, and say of themselves that they are well, where they have a page for that."""
        own_pages = self.installation.daemon.health_port is None
        ports = HEALTH_PORTS.values() if own_pages else ()
        return all(one.state == "running" for one in keeper.list_running()) and all(
            _answers(f"http://127.0.0.1:{port}/healthz") for port in ports
        )

    def _api_answers(self) -> bool:
        api = self.installation.api
        return _answers(f"http://{api.listen}:{api.port}/healthz")

    def _host_is_up(self) -> bool:
        with self.installation.database.read() as tx:
            return any(host.up and host.name == self.installation.host for host in hosts.list_hosts(tx))

    def _why_not(self, _deadline: float) -> str:
        """Say which daemon does not run, with its last words."""
        keeper = keeper_of(self.installation)
        failed = [one for one in keeper.list_running() if one.state != "running"]
        if not failed:
            missing = "the API does not answer" if not self._api_answers() else "this machine has not registered as a host"
            return f"The daemons run, but after {READY_S} s {missing}; see {self.installation.daemon.log_dir}"
        words = "\n".join(keeper.log_of(failed[0].name)[-5:])
        return f"{failed[0].name} does not run ({failed[0].state} {failed[0].detail}). Its last words:\n{words}"

    def write_clouds(self, note: Note) -> None:
        """Put our two clouds into the user's clouds.yaml."""
        path = clouds_file.default_path()
        if self.installation.identity.keystone is not None:
            note.say("left alone: users are Keystone's")
            return
        passwords = keeping.passwords(self.installation.keys_dir)
        wanted = clouds_file.entries(self.installation.auth_url, self.installation.identity.region, passwords)
        self.footprint.add(clouds_file.KIND, str(path.resolve()))
        clouds_file.merge(path, wanted)
        note.say(str(path))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def link_commands(footprint: Footprint, commands: dict[str, Path], folder: Path = Path("/usr/local/bin")) -> None:
    """Make commands found on the PATH, where no other of that name is. May be repeated."""
    for name, target in commands.items():
        link = folder / name
        if link.is_symlink() and not link.exists():
            link.unlink()  # it led to a clone that is gone
        if not link.exists() and target.exists():
            footprint.add(FILES, str(link))
            link.symlink_to(target)
