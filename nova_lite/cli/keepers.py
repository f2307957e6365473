"""Chooses who keeps the daemons of this machine running."""

from __future__ import annotations

from nova_lite.cli.daemons import Keeper, systemd_runs
from nova_lite.cli.installation import Installation


def keeper_of(installation: Installation) -> Keeper:
    """Give systemd where it is PID 1 and the installation is the machine's own, else a supervisor of our own."""
    if systemd_runs() and not installation.files:
        from nova_lite.cli.units import Units

        return Units(installation.daemon)
    from nova_lite.cli.supervised import Supervised

    return Supervised(installation.daemon)
