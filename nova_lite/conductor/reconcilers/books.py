"""Books: claims against hosts' used amounts, claims that nobody owns, projects' usage against their servers."""

from __future__ import annotations

import dataclasses
import functools
import logging

from nova_lite.db.engine import Database, Tx
from nova_lite.inventory import claims
from nova_lite.model.ids import HostName
from nova_lite.model.resources import Resources
from nova_lite.servers import recount

LOG = logging.getLogger(__name__)


def reconcile(database: Database) -> int:
    """Mend each difference found; give their number. Safe beside running operations and other conductors."""
    orphans = database.transact(claims.release_orphans)
    for server_id in orphans:
        LOG.warning("A claim that nobody owned was given back.", extra={"server_id": server_id})
    with database.read() as tx:
        wrong_hosts = claims.differences(tx)
    for host, used, claimed, generation in wrong_hosts:
        if database.transact(functools.partial(_mend, host=host, claimed=claimed, generation=generation)):
            LOG.warning("A host's used amounts were corrected.", extra={"host": host, "was": used, "is": claimed})
    wrong_projects = recount.mend(database)
    for wrong in wrong_projects:
        LOG.warning("A project's usage was corrected.", extra=dataclasses.asdict(wrong))
    return len(orphans) + len(wrong_hosts) + len(wrong_projects)


def _mend(tx: Tx, host: HostName, claimed: Resources, generation: int) -> bool:
    return claims.mend_used(tx, host, claimed, generation)
