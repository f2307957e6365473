"""The store of files on a real NFS 4: its contract, and what two machines with one folder see of each other."""

from __future__ import annotations

import shutil
import sys
import xml.etree.ElementTree as ET

import pytest
from real import nfs_guest

TIMEOUT_S = 840.0  # by far most of it is the guest's slowness, which is five times that on a busy machine
AT_LEAST = {"stories": 17, "contract": 80}  # tests; fewer ran when some were not found

pytestmark = [pytest.mark.nfs, pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S + 300)]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Run the guest; give the folder of its results."""
    why_not = nfs_guest.reason_against()
    if why_not:
        pytest.skip(why_not)
    kept = tmp_path_factory.mktemp("nfs")
    guest = nfs_guest.Guest()
    try:
        guest.run(tuple(AT_LEAST), TIMEOUT_S)
    finally:
        sys.stdout.write(guest.console)
        for path in guest.out.glob("*.xml"):
            shutil.copy(path, kept)
        guest.remove()
    return kept


@pytest.mark.parametrize("part", AT_LEAST)
def test_the_store_of_files_works_on_nfs(results, part):
    suite = ET.parse(results / f"{part}.xml").getroot().find("testsuite")
    cases = suite.findall("testcase")

    failed = [
        f"{case.get('name')}: {case.find(how).text}"
        for case in cases
        for how in ("failure", "error")
        if case.find(how) is not None
    ]
    skipped = [case.get("name") for case in cases if case.find("skipped") is not None]

    assert not failed, "\n".join(failed)
    assert skipped == []
    assert len(cases) >= AT_LEAST[part]
