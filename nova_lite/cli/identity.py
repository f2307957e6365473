"""`nova-lite identity`: the keys of tokens, and an outside Keystone: to be registered there, or to take its records over."""

from __future__ import annotations

import dataclasses
import os
import pwd
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_lite import errors
from nova_lite.cli import clouds_file
from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, show_json, show_table

if TYPE_CHECKING:
    from nova_lite.identity.importing import Report
    from nova_lite.identity.outside import Outside
    from nova_lite.model.imported import Records

# keystoneauth's word -> the variable that OpenStack clients read
VARIABLES = {
    "auth_url": "OS_AUTH_URL",
    "username": "OS_USERNAME",
    "password": "OS_PASSWORD",
    "project_name": "OS_PROJECT_NAME",
    "user_domain_name": "OS_USER_DOMAIN_NAME",
    "project_domain_name": "OS_PROJECT_DOMAIN_NAME",
}

cloud_option = click.option(
    "--os-cloud",
    "cloud",
    envvar="OS_CLOUD",
    help="Keystone's administrator: an entry of clouds.yaml. Without one, OS_USERNAME, OS_PASSWORD and the like count.",
)


@click.group()
def command() -> None:
    """Users and projects: rotate-keys, withdraw, register, import."""


@command.command("rotate-keys")
@click.pass_obj
def rotate_keys(files: tuple[Path, ...]) -> None:
    """Sign tokens with a new key from ten seconds on, and seal stored credentials with a new one.

    Nobody has to log in again, and nothing has to be restarted. Old keys check tokens until the last one signed with them has
    expired. With several control machines: rotate on one, then copy keys/tokens.json and keys/credentials.json to the others
    within these ten seconds, or rotate where the folder is shared.
    """
    from nova_lite.clock import SystemClock
    from nova_lite.db import version
    from nova_lite.identity import keys
    from nova_lite.identity.vault import Vault, vault_file

    installation = Installation(files)
    _need_embedded(installation, "Keystone signs the tokens; rotate there: keystone-manage fernet_rotate")
    state_dir, clock = installation.daemon.state_dir, SystemClock()
    path = keys.key_file(state_dir)
    before = {key.id for key in keys.read(path)}
    version.require(installation.database)
    keys.ensure_keys(vault_file(state_dir), clock.wall())
    sealed = Vault(vault_file(state_dir), clock).rotate(installation.database)
    keys.rotate(path, clock.wall(), installation.identity.token_lifetime_s)
    after = {key.id for key in keys.read(path)}
    fresh = "".join(after - before)
    _note_rotation(installation, fresh)
    click.echo(f"The key {fresh} signs from {keys.LEAD_S:.0f} s on; {len(after & before)} older keys still check.")
    for key_id in sorted(before - after):
        click.echo(f"The key {key_id} is gone: its last token has expired.")
    click.echo(f"Stored credentials sealed anew: {sealed}.")


def _note_rotation(installation: Installation, key_id: str) -> None:
    """Write into the audit log that an operator on this machine changed the keys."""
    from nova_lite.identity import audit

    operator = audit.Initiator(name=os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name)
    event = audit.Event(action="rotated.key", outcome=audit.SUCCESS, initiator=operator, target_kind="key", target_id=key_id)
    audit.AuditLog(installation.daemon.log_dir / audit.FILE).write(event)


@command.command()
@click.argument("user")
@click.argument("role")
@click.option("--domain", default="Default", show_default=True, help="Name of the domain that the user and the project are in.")
@click.option("--project", help="Take the role away on this project, by its name; else it is on the domain.")
@click.option("--system", is_flag=True, help="Take the role away on the whole system.")
@click.option("--force", is_flag=True, help="Do it even when nobody is left who administers the cloud.")
@click.pass_obj
def withdraw(
    files: tuple[Path, ...], user: str, role: str, domain: str, project: str | None, system: bool, force: bool
) -> None:
    """Take a ROLE away from a USER, both by name. Its tokens with the role end within a second.

    The API refuses to take away the last administrator; with --force this does it. `nova-lite up` gives admin the role again.
    """
    from nova_lite.db import version
    from nova_lite.identity import withdrawing

    if project is not None and system:
        raise click.UsageError("Give one of --project and --system.")
    installation = Installation(files)
    _need_embedded(installation, "take the role away there: openstack role remove")
    version.require(installation.database)
    place = withdrawing.Place(domain=domain, project=project, system=system)
    withdrawing.withdraw(installation.database, user, role, place, force=force)
    click.echo(f"{user} has the role {role} no more on {place}.")


@command.command()
@cloud_option
@click.pass_obj
def register(files: tuple[Path, ...], cloud: str | None) -> None:
    """Make this cloud known in the outside Keystone: service user, services, endpoints. May be repeated."""
    from nova_lite.identity import register as registering
    from nova_lite.rpc.files import write_secret

    installation = Installation(files)
    options = installation.identity.keystone
    if options is None:
        raise errors.ConfigError("[identity] mode: only with mode = keystone there is a Keystone to register in.")
    password = options.password or secrets.token_urlsafe(24)
    changed: list[str] = []

    def say(line: str) -> None:
        changed.append(line)
        click.echo(line)

    admin = _administrator(cloud, options.auth_url, options.ca_file)
    registering.register(admin, options, password=password, public_url=installation.public_url, say=say)
    if not options.password:
        write_secret(options.password_file, password.encode() + b"\n")
        say(f"{options.password_file}: written")
    if not changed:
        click.echo("Keystone knows all of it already.")


@command.command("import")
@click.option("--from-keystone", "url", help="Read a Keystone's API, as its administrator: all but passwords and secrets.")
@click.option(
    "--database",
    "database_url",
    envvar="KEYSTONE_DATABASE",
    show_envvar=True,
    help="Read a Keystone's database, as SQLAlchemy names it; passwords come along.",
)
@click.option(
    "--credential-keys",
    type=click.Path(path_type=Path),
    help="With --database: a copy of Keystone's [credential] key_repository, to open what users keep there (EC2, TOTP).",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@cloud_option
@json_option
@click.pass_obj
def take_over(
    files: tuple[Path, ...],
    url: str | None,
    database_url: str | None,
    credential_keys: Path | None,
    dry_run: bool,
    cloud: str | None,
    as_json: bool,
) -> None:
    """Take over what a Keystone knows. What is here already stays as it is; may be repeated."""
    from nova_lite.clock import SystemClock
    from nova_lite.db import version
    from nova_lite.identity import importing, keys
    from nova_lite.identity.vault import Vault, vault_file

    if (url is None) == (database_url is None):
        raise click.UsageError("Give one of --from-keystone and --database.")
    if credential_keys is not None and database_url is None:
        raise click.UsageError("--credential-keys goes with --database: Keystone's API gives credentials as they are.")
    installation = Installation(files)
    _need_embedded(installation, "users are Keystone's already")
    version.require(installation.database)
    now = installation.database.clock.wall()
    if database_url is not None:
        records = _read_database(database_url, now, credential_keys)
    else:
        from nova_lite.identity import keystone_records

        records = keystone_records.read(_administrator(cloud, str(url).rstrip("/"), None), now)
    path = vault_file(installation.daemon.state_dir)
    keys.ensure_keys(path, now)
    report = importing.run(installation.database, records, Vault(path, SystemClock()), dry_run=dry_run)
    _tell(report, dry_run=dry_run, as_json=as_json)


def _read_database(url: str, now: float, credential_keys: Path | None) -> Records:
    from nova_lite.db import foreign_keystone
    from nova_lite.identity import foreign_secrets

    keys = [] if credential_keys is None else foreign_secrets.read_keys(credential_keys)
    records = foreign_keystone.read(url, now)
    foreign_secrets.open_stored(records, keys)
    return records


def _tell(report: Report, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        show_json({"dry_run": dry_run, **dataclasses.asdict(report)})
        return
    rows = [(kind, count.added, count.there, count.left) for kind, count in report.counts.items()]
    show_table("Taken over" if not dry_run else "Would be taken over", ("Kind", "Added", "There", "Left alone"), rows)
    for why in report.left:
        click.echo(f"  {why}")
    if not report.added:
        click.echo("Nothing is to be added." if dry_run else "Nothing was added.")


def _need_embedded(installation: Installation, otherwise: str) -> None:
    if installation.identity.keystone is not None:
        raise errors.ConfigError(f"[identity] mode = keystone: {otherwise}.")


def _administrator(cloud: str | None, auth_url: str, ca_file: str | None) -> Outside:
    """Log in as who may change Keystone. Raises: ConfigError when nobody is named; Unauthorized; Unavailable."""
    from nova_lite.identity.outside import Outside

    auth: dict[str, Any] = {name: os.environ[variable] for name, variable in VARIABLES.items() if os.environ.get(variable)}
    if cloud is not None:
        auth = clouds_file.auth_of(clouds_file.default_path(), cloud)
    auth |= {"auth_url": auth_url}
    if not {"username", "password"} <= auth.keys():
        raise errors.ConfigError(
            "Nobody is named who may do this in Keystone: give --os-cloud, or set OS_USERNAME and OS_PASSWORD."
        )
    admin = Outside(auth, ca_file=ca_file)
    admin.log_in()
    return admin
