"""Puts the parts of an API process together from its configuration. Nothing connects or starts a thread here."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable
from pathlib import Path

from oslo_config import cfg

from nova_lite import errors
from nova_lite.api.admission import Admission
from nova_lite.api.parts import Parts
from nova_lite.api.transfers import Transfers
from nova_lite.clock import Clock, SystemClock
from nova_lite.conf import api as api_conf
from nova_lite.conf import broker as broker_conf
from nova_lite.conf import console as console_conf
from nova_lite.conf import daemon as daemon_conf
from nova_lite.conf import database as database_conf
from nova_lite.conf import identity as identity_conf
from nova_lite.conf import image as image_conf
from nova_lite.conf import servers as servers_conf
from nova_lite.db.engine import Database
from nova_lite.identity.audit import FILE as AUDIT_FILE
from nova_lite.identity.audit import Audit, AuditLog
from nova_lite.identity.notifications import Notified
from nova_lite.identity.policy import Policy
from nova_lite.identity.port import TokenChecker
from nova_lite.identity.service import Identity, make_identity
from nova_lite.image.protections import Protections
from nova_lite.image.service import make_images
from nova_lite.model.ids import OperationId
from nova_lite.network.service import Networks
from nova_lite.rpc.compute import ComputeClient
from nova_lite.rpc.conductor import ConductorClient
from nova_lite.rpc.notifications import Notifications
from nova_lite.rpc.signing import ControlSigning, ensure_control_key
from nova_lite.rpc.transport import RabbitTransport
from nova_lite.runtime.doorbell import DoorbellSender
from nova_lite.workflows.desk import Desk


@dataclasses.dataclass(frozen=True, kw_only=True)
class Built:
    """The parts, and what is to be started in each worker after the fork."""

    parts: Parts
    start: tuple[Callable[[], None], ...] = ()


def build(conf: cfg.ConfigOpts) -> Built:
    """Build everything the APIs need. Raises: ConfigError."""
    daemon = daemon_conf.read(conf)
    options = api_conf.read(conf)
    identity_options = identity_conf.read(conf)
    clock = SystemClock()
    database = Database(database_conf.read(conf).url, clock, announces=broker_conf.read(conf).notifications)
    known = _identity(database, daemon.state_dir, identity_options, clock)
    images = make_images(database, daemon.state_dir, image_conf.read(conf), options.own_url)
    broker = broker_conf.read(conf)
    ring, compute = _broker(broker, daemon.state_dir)
    policy_file = Path(identity_options.policy_file)
    policy = Policy(policy_file=policy_file)
    parts = Parts(
        database=database,
        tokens=known.tokens,
        policy=policy,
        protections=Protections(policy_file.parent, policy.allows_named),
        options=options,
        consoles=console_conf.read(conf),
        clock=clock,
        admission=Admission(options.threads),
        transfers=Transfers(options.threads // 2),
        identity=known.embedded,
        auth_url=known.auth_url,
        audit=_audit(AuditLog(daemon.log_dir / AUDIT_FILE), broker),
        desk=Desk(database=database, ring=ring, reclaim_s=servers_conf.read(conf).reclaim_s),
        images=images,
        network=Networks(database),
        compute=compute,
    )
    return Built(parts=parts, start=(*known.start, functools.partial(_aside, images.start)))


def _aside(work: Callable[[], None]) -> None:
    """Do what nobody waits for beside the requests: a store that hangs must not keep an api from serving."""
    threading.Thread(target=work, name=work.__qualname__, daemon=True).start()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Known:
    """Who knows the users: the embedded service, or an outside Keystone at `auth_url`."""

    tokens: TokenChecker
    embedded: Identity | None = None
    auth_url: str = ""
    start: tuple[Callable[[], None], ...] = ()


def _identity(database: Database, state_dir: Path, options: identity_conf.IdentityOptions, clock: Clock) -> _Known:
    """Choose by the configuration. Raises: ConfigError."""
    if options.keystone is None:
        embedded = make_identity(database, state_dir, options, clock)
        return _Known(tokens=embedded.tokens, embedded=embedded, start=(embedded.tokens.start,))
    if not options.keystone.password:
        raise errors.ConfigError(
            f"[identity] service_password: nothing says it, and there is no {options.keystone.password_file}; "
            "`nova-lite identity register` makes the service user."
        )
    try:
        from nova_lite.identity.keystone import KeystoneTokens  # its library is an extra
    except ImportError as error:
        raise errors.ConfigError("[identity] mode = keystone needs the extra: pip install 'nova-lite[keystone]'.") from error
    services = [name for name in api_conf.SERVICES if name != "identity"]
    return _Known(tokens=KeystoneTokens(options.keystone, services), auth_url=options.keystone.auth_url)


def _broker(options: broker_conf.BrokerOptions, state_dir: Path) -> tuple[Callable[[OperationId], None], ComputeClient | None]:
    """Give the doorbell and the client of the hosts; without a broker nobody is rung and no host is asked."""
    if not options.url:
        return _no_ring, None
    signing = ControlSigning(ensure_control_key(state_dir / "keys"), lambda _host: None)
    transport = RabbitTransport(options.url, signing=signing, ca_file=options.ca_file)
    return DoorbellSender(ConductorClient(transport)).ring, ComputeClient(transport)


def _audit(log: AuditLog, options: broker_conf.BrokerOptions) -> Audit:
    """Give the log alone, or with notifications. Raises: ConfigError when they are wanted and there is no broker."""
    if not options.notifications:
        return log
    if not options.url:
        raise errors.ConfigError("[broker] notifications: there is no broker; [broker] url says where it is.")
    return Notified(log, Notifications(options.url, ca_file=options.ca_file).send)


def _no_ring(_operation_id: OperationId) -> None:
    """Ring nobody: conductors look each second anyway."""
