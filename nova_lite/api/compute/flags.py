"""Words for yes and no, as clients write them."""

from __future__ import annotations

from nova_lite import errors

YES = ("1", "t", "true", "on", "y", "yes")
NO = ("0", "f", "false", "off", "n", "no")
IN_BODIES = (
    *(True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "t"),
    *(False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "f"),
)


def read(value: object, what: str) -> bool:
    """Understand a boolean or a word for one. Raises: BadRequest naming `what`."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in YES:
        return True
    if word in NO:
        return False
    raise errors.BadRequest(f"Invalid value for {what}: true or false is wanted.")
