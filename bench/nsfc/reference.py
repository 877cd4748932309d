"""networking-sfc's reference server, prepared in a directory: its configuration, and a database with all tables.

``reference.py DIRECTORY SYNCHRONOUS``, in the environment that has Neutron (``build.neutron``), not in the project's.

The API alone, at its cheapest: no authentication, no mechanism driver, networking-sfc's dummy drivers, no notification
of anybody, messages to agents into memory. The tables come from the models, for Neutron's migrations are written for
other databases than SQLite. The database has a write-ahead log, so that a commit is one append, as in Segue's store.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

CONFIGURATION = """\
[DEFAULT]
auth_strategy = noauth
core_plugin = ml2
service_plugins = flow_classifier,sfc
transport_url = fake://
api_paste_config = {paste}
state_path = {directory}
use_stderr = true
default_log_levels = neutron=ERROR,networking_sfc=ERROR,oslo=ERROR
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
dhcp_agent_notification = false
[ml2]
type_drivers = local
tenant_network_types = local
mechanism_drivers =
extension_drivers =
[sfc]
drivers = dummy
[flowclassifier]
drivers = dummy
[quotas]
{quotas}
[database]
connection = sqlite:///{directory}/neutron.db
sqlite_synchronous = {synchronous}
[oslo_concurrency]
lock_path = {directory}
"""
KINDS = ("network", "subnet", "port", "flow_classifier", "port_pair", "port_pair_group", "port_chain")


def main(directory: Path, synchronous: str) -> None:
    paste = Path(sys.prefix) / "etc/neutron/api-paste.ini"
    quotas = "\n".join(f"quota_{kind} = -1" for kind in KINDS)
    text = CONFIGURATION.format(directory=directory, paste=paste, quotas=quotas, synchronous=synchronous)
    (directory / "neutron.conf").write_text(text)
    from networking_sfc.db import flowclassifier_db, sfc_db  # noqa: F401
    from neutron.db.migration.models import head
    from sqlalchemy import create_engine

    database = directory / "neutron.db"
    head.get_metadata().create_all(create_engine(f"sqlite:///{database}"))
    with sqlite3.connect(database) as db:
        db.execute("PRAGMA journal_mode = WAL")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
