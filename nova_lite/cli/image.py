"""`nova-lite image`: image data to and from a cloud, as one of its users, over lines that break."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_lite import errors
from nova_lite.cli import clouds_file
from nova_lite.cli.image_usage import usage

if TYPE_CHECKING:
    from nova_lite.cli.image_line import Line

FORMATS = {".qcow2": "qcow2", ".vmdk": "vmdk", ".vdi": "vdi", ".vhd": "vhd", ".vhdx": "vhdx", ".iso": "iso"}
cloud_option = click.option(
    "--os-cloud",
    "cloud",
    envvar="OS_CLOUD",
    help="Who asks: an entry of clouds.yaml. Without one OS_AUTH_URL and the like count, else it is the entry nova-lite.",
)


@click.group()
def command() -> None:
    """Images: upload, download, usage."""


command.add_command(usage)


@command.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", help="The new image's name; by default the file's.")
@click.option("--disk-format", help="By default what the file's name ends with (.qcow2, .vmdk...), else raw.")
@click.option("--container-format", default="bare", show_default=True)
@click.option("--image", "image_id", help="Fill this image instead of a new one, or go on where an earlier upload ended.")
@cloud_option
def upload(
    source: Path, name: str | None, disk_format: str | None, container_format: str, image_id: str | None, cloud: str | None
) -> None:
    """Send the file SOURCE as an image; print the image's id.

    A connection that breaks is made anew, and the upload goes on where it was. At the end the hash is compared.
    """
    from nova_lite.cli.image_line import Tries
    from nova_lite.cli.image_upload import FileChanged, Upload
    from nova_lite.cli.meters import make_meter

    line, meter = line_of(cloud), make_meter(source.name)
    tries = Tries(line, meter.note)
    made = image_id is None
    if image_id is None:
        kind = disk_format or FORMATS.get(source.suffix.lower(), "raw")
        fields = {"name": name or source.name, "disk_format": kind, "container_format": container_format}
        image_id = str(tries.until_answered(lambda: line.create(fields)))
    ended = False
    try:
        Upload(line, image_id, source, meter, tries).run(begun=not made)
        ended = True
    except FileChanged:
        ended = True
        if made:
            tries.until_answered(lambda: line.delete(image_id))
        raise
    finally:
        meter.end()
        if not ended:
            click.echo(f"Go on with: nova-lite image upload --image {image_id} {source}", err=True)
    click.echo(image_id)


@command.command()
@click.argument("image_id", metavar="IMAGE")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace the file when there is one.")
@cloud_option
def download(image_id: str, target: Path, overwrite: bool, cloud: str | None) -> None:
    """Bring the image with the id IMAGE into the file TARGET.

    The bytes gather beside it in TARGET.IMAGE.part, where the same command goes on after any cut; TARGET appears when all are
    there and have the image's hash.
    """
    from nova_lite.cli.image_download import Download
    from nova_lite.cli.meters import make_meter

    if target.exists() and not overwrite:
        raise errors.Conflict(f"{target} is there already; --overwrite replaces it.")
    meter = make_meter(target.name)
    try:
        Download(line_of(cloud), image_id, target, meter).run()
    except OSError as error:
        raise errors.BadRequest(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        meter.end()


def line_of(cloud: str | None) -> Line:
    """Log in. Raises: ConfigError; Unauthorized; Unavailable."""
    from keystoneauth1 import exceptions, loading, session

    from nova_lite.cli.image_line import Line

    entry = _entry(cloud)
    ca_file = entry.get("cacert")
    try:
        loader = loading.get_plugin_loader(entry.get("auth_type") or "password")
        known = session.Session(auth=loader.load_from_options(**entry["auth"]), verify=ca_file or True, timeout=60)
        url = known.get_endpoint(service_type="image", interface="public", region_name=entry.get("region_name"))
    except exceptions.Unauthorized as error:
        raise errors.Unauthorized("The cloud does not know this user and password.") from error
    except (exceptions.MissingRequiredOptions, exceptions.NoMatchingPlugin) as error:
        raise errors.ConfigError(f"The login is not complete: {error}") from error
    except exceptions.ClientException as error:
        raise errors.Unavailable(f"Nobody can log in now: {error}", what="identity") from error
    if not url:
        raise errors.ConfigError("The cloud's catalog has no image service.")

    def token(renew: bool) -> str:
        if renew:
            known.invalidate()
        try:
            return str(known.get_token())
        except exceptions.ClientException as error:
            raise OSError(f"no token: {type(error).__name__}") from error

    root = url.rstrip("/").removesuffix("/v2")
    return Line(url=f"{root}/v2", token=token, ca_file=Path(ca_file) if ca_file else None)


def _entry(cloud: str | None) -> dict[str, Any]:
    """Find who asks, in the form of an entry of clouds.yaml. Raises: ConfigError."""
    if cloud is None and os.environ.get("OS_AUTH_URL"):
        names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name", "token")
        names += ("project_id", "user_id", "user_domain_id", "project_domain_id")
        names += ("application_credential_id", "application_credential_secret")
        auth = {name: os.environ[f"OS_{name.upper()}"] for name in names if os.environ.get(f"OS_{name.upper()}")}
        more = {"auth_type": "OS_AUTH_TYPE", "cacert": "OS_CACERT", "region_name": "OS_REGION_NAME"}
        return {"auth": auth} | {name: os.environ.get(variable) for name, variable in more.items()}
    return clouds_file.entry_of(clouds_file.default_path(), cloud or clouds_file.MEMBER)
