"""Files of credentials: of the daemons' user, which nobody else may read. What stands in them is in no error."""

from __future__ import annotations

import configparser
import os
import stat
from pathlib import Path

from nova_lite import errors


def read_credentials(path: Path, section: str, needed: str) -> dict[str, str]:
    """Read the values of a section; `needed` says in an error what belongs into it.

    Raises: ConfigError, also when others may read the file.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise errors.ConfigError(f"[image] store: {path} may be read by others; chmod 600 it.")
            parser.read_file(file)
        return dict(parser[section])
    except OSError as error:
        raise errors.ConfigError(f"[image] store: {path} cannot be read: {error.strerror}.") from error
    except (configparser.Error, KeyError, UnicodeError):
        # Without the cause: it may quote the file.
        raise lacking(path, section, needed) from None


def lacking(path: Path, section: str, needed: str) -> errors.ConfigError:
    """Give the error of a file that does not have what is needed."""
    return errors.ConfigError(f"[image] store: {path} needs a section [{section}] with {needed}.")
