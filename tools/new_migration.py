"""Write the migration from the newest known version to what the tables say: tools/new_migration.py ERA.STEP WORDS...

Read what it wrote before committing it; then set HEAD in nova_lite/db/version.py. A step only adds; what removes or
renames opens a new era (nova_lite/db/version.py says why).
"""

from __future__ import annotations

import sys

from alembic import command

from nova_lite.db import migrate
from nova_lite.db.engine import Database


def main(arguments: list[str]) -> None:
    """Generate the file on an SQLite database in memory that has the older migrations."""
    revision, words = arguments[0], " ".join(arguments[1:])
    database = Database("sqlite://")
    config = migrate.configuration()
    config.set_main_option("file_template", f"v{revision.replace('.', '_')}_%%(slug)s")
    if migrate.known_versions():
        migrate.upgrade(database)

    def work(tx):
        config.attributes["connection"] = tx.connection
        command.revision(config, words, autogenerate=True, rev_id=revision)

    database.transact(work)


if __name__ == "__main__":
    main(sys.argv[1:])
