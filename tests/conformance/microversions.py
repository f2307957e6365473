"""What each microversion of the Compute API changed, and on which request it is seen.

`microversions.tsv` is the original's history. `SEEN_ON` says for each line which request shows the change: method and path as
the route table writes them, with the action's name behind where it is one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from nova_lite.api.compute import versions
from nova_lite.api.microversion import Version, parse

FOLDER = Path(__file__).parent
STORIES = FOLDER.parents[1] / "tests/http/compute"
EVERYWHERE = ""  # each route shows it
_SERVER, _ACTION = "/servers/{server_id}", "POST /servers/{server_id}/action"
_HYPERVISOR = "GET /os-hypervisors/{hypervisor_id}"

SEEN_ON: dict[str, str] = {
    "2.2": "POST /os-keypairs",
    "2.3": f"GET {_SERVER}",
    "2.4": "GET /os-fixed-ips/{ip}",
    "2.5": "GET /servers",
    "2.6": f"POST {_SERVER}/remote-consoles",
    "2.7": "POST /flavors/{flavor_id}/action addTenantAccess",
    "2.8": f"POST {_SERVER}/remote-consoles",
    "2.9": f"GET {_SERVER}",
    "2.10": "GET /os-keypairs",
    "2.11": "PUT /os-services/force-down",
    "2.12": f"GET {_SERVER}/os-virtual-interfaces",
    "2.13": "GET /os-server-groups",
    "2.14": f"{_ACTION} evacuate",
    "2.15": "POST /os-server-groups",
    "2.16": f"GET {_SERVER}",
    "2.17": f"{_ACTION} trigger_crash_dump",
    "2.18": f"GET {_SERVER}",
    "2.19": "POST /servers",
    "2.20": f"POST {_SERVER}/os-volume_attachments",
    "2.21": f"GET {_SERVER}/os-instance-actions",
    "2.22": f"POST {_SERVER}/migrations/{{id}}/action force_complete",
    "2.23": f"GET {_SERVER}/migrations",
    "2.24": f"DELETE {_SERVER}/migrations/{{id}}",
    "2.25": f"{_ACTION} os-migrateLive",
    "2.26": f"GET {_SERVER}/tags",
    "2.27": EVERYWHERE,
    "2.28": _HYPERVISOR,
    "2.29": f"{_ACTION} evacuate",
    "2.30": f"{_ACTION} os-migrateLive",
    "2.31": "GET /os-console-auth-tokens/{id}",
    "2.32": "POST /servers",
    "2.33": "GET /os-hypervisors",
    "2.34": f"{_ACTION} os-migrateLive",
    "2.35": "GET /os-keypairs",
    "2.36": "GET /limits",
    "2.37": "POST /servers",
    "2.38": "GET /servers",
    "2.39": "GET /limits",
    "2.40": "GET /os-simple-tenant-usage",
    "2.41": "GET /os-aggregates",
    "2.42": "POST /servers",
    "2.43": "GET /os-hosts",
    "2.44": f"{_ACTION} addFixedIp",
    "2.45": f"{_ACTION} createImage",
    "2.46": EVERYWHERE,
    "2.47": f"GET {_SERVER}",
    "2.48": f"GET {_SERVER}/diagnostics",
    "2.49": f"POST {_SERVER}/os-interface",
    "2.50": "GET /os-quota-class-sets/{name}",
    "2.51": f"GET {_SERVER}/os-instance-actions/{{request_id}}",
    "2.52": "POST /servers",
    "2.53": "GET /os-services",
    "2.54": f"{_ACTION} rebuild",
    "2.55": "GET /flavors/{flavor_id}",
    "2.56": f"{_ACTION} migrate",
    "2.57": "POST /servers",
    "2.58": f"GET {_SERVER}/os-instance-actions",
    "2.59": "GET /os-migrations",
    "2.60": f"POST {_SERVER}/os-volume_attachments",
    "2.61": "GET /flavors/{flavor_id}",
    "2.62": f"GET {_SERVER}/os-instance-actions/{{request_id}}",
    "2.63": "POST /servers",
    "2.64": "GET /os-server-groups",
    "2.65": f"DELETE {_SERVER}/migrations/{{id}}",
    "2.66": "GET /servers",
    "2.67": "POST /servers",
    "2.68": f"{_ACTION} os-migrateLive",
    "2.69": "GET /servers",
    "2.70": f"GET {_SERVER}/os-interface",
    "2.71": f"GET {_SERVER}",
    "2.72": "POST /servers",
    "2.73": f"{_ACTION} lock",
    "2.74": "POST /servers",
    "2.75": f"PUT {_SERVER}",
    "2.76": "POST /os-server-external-events",
    "2.77": f"{_ACTION} unshelve",
    "2.78": f"GET {_SERVER}/topology",
    "2.79": f"POST {_SERVER}/os-volume_attachments",
    "2.80": "GET /os-migrations",
    "2.81": "POST /os-aggregates/{id}/images",
    "2.82": "POST /os-server-external-events",
    "2.83": "GET /servers",
    "2.84": f"GET {_SERVER}/os-instance-actions/{{request_id}}",
    "2.85": f"PUT {_SERVER}/os-volume_attachments/{{id}}",
    "2.86": "POST /flavors/{flavor_id}/os-extra_specs",
    "2.87": f"{_ACTION} rescue",
    "2.88": _HYPERVISOR,
    "2.89": f"GET {_SERVER}/os-volume_attachments",
    "2.90": "POST /servers",
    "2.91": f"{_ACTION} unshelve",
    "2.92": "POST /os-keypairs",
    "2.93": f"{_ACTION} rebuild",
    "2.94": "POST /servers",
    "2.95": f"{_ACTION} evacuate",
    "2.96": f"GET {_SERVER}",
    "2.97": f"GET {_SERVER}/shares",
    "2.98": f"GET {_SERVER}",
    "2.99": f"POST {_SERVER}/remote-consoles",
    "2.100": f"GET {_SERVER}",
    "2.101": f"POST {_SERVER}/os-volume_attachments",
    "2.102": "GET /flavors",
    "2.103": "GET /os-volumes_boot",
    "2.104": f"PUT {_SERVER}",
}


def history() -> list[str]:
    """List the original's microversions, oldest first."""
    with (FOLDER / "microversions.tsv").open(encoding="utf-8", newline="") as file:
        return [row["version"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def before(version: Version) -> Version:
    return version[0], version[1] - 1


def after(version: Version) -> Version:
    return version[0], version[1] + 1


def told() -> Iterator[tuple[Version, str, str, Any]]:
    """Give version, method, path and body of every request of the stories that names a version."""
    for path in sorted(STORIES.glob("*.yaml")):
        for story in yaml.safe_load(path.read_text(encoding="utf-8"))["stories"]:
            for step in story["steps"]:
                asked = " ".join(str(value) for name, value in step.get("headers", {}).items() if "API-Version" in name)
                method, place = step["request"].split(" ", 1)
                for found in re.findall(r"2\.\d+", asked.replace("latest", versions.MAX)):
                    yield parse(found), method, place.partition("?")[0].removeprefix("/compute/v2.1"), step.get("body")


def fits(wanted: str, method: str, path: str, body: Any) -> bool:
    """Tell whether a request is the one that shows a change."""
    if wanted == EVERYWHERE:
        return True
    wanted_method, pattern, *action = wanted.split(" ")
    named = not action or (isinstance(body, dict) and action[0] in body)
    place = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(pattern))
    return method == wanted_method and named and re.fullmatch(rf"{place}(/detail)?", path) is not None
