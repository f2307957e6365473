"""The join file: all that a new host needs to know of the cloud, in one secret file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import orjson

from nova_lite import errors
from nova_lite.model import wire
from nova_lite.rpc.files import write_secret


@dataclasses.dataclass(frozen=True, kw_only=True)
class JoinFile:
    """What `nova-lite host add` hands to a host. Secret: the broker's password and the host's key are in it."""

    host: str
    broker_url: str
    control_public_key: str
    mac_key: str
    api_url: str
    zone: str = "nova"

    def __repr__(self) -> str:
        """Show no secret."""
        return f"JoinFile(host={self.host!r})"

    def write(self, path: Path) -> None:
        """Write it, mode 0600, atomically. May be repeated."""
        write_secret(path, orjson.dumps(wire.to_plain(self), option=orjson.OPT_INDENT_2) + b"\n")


def default_path(state_dir: Path, host: str) -> Path:
    """Give where the file of a host lies on the control machine."""
    return state_dir / "hosts" / f"{host}.json"


def read(path: Path) -> JoinFile:
    """Read a join file. Raises: ConfigError when it is missing or not one."""
    try:
        return wire.from_plain(JoinFile, orjson.loads(path.read_bytes()))
    except OSError as error:
        raise errors.ConfigError(f"The join file {path} is not readable: {error.strerror}.") from error
    except ValueError as error:
        raise errors.ConfigError(f"{path} is not a join file.") from error
