"""The first process of the NFS guest: a kernel's NFS 4 server with two clients, and pytest on the folders that these mount.

The clients have a network namespace and a host name each, so that the server takes them for two machines. The server keeps its
files on an ext4 disk. Leases are short, since whoever cuts a client off waits for them.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

OUT = Path("/mnt/out")
EXPORTED = Path("/srv/images")
CLIENTS = {"one": Path("/mnt/one"), "two": Path("/mnt/two")}
ADDRESS, OPTIONS = "10.77.{}.1", "vers=4.2,hard,proto=tcp"
LEASE_S = 10
EXPORT = ("-o", "rw,sync,no_root_squash,no_subtree_check,fsid=0")
TESTS = ("tests/unit/image/stores/test_contract.py", "tests/unit/image/stores/test_folders.py")
STORIES = "tests/real/nfs_stories.py"
HOLDERS: list[subprocess.Popen[bytes]] = []
OTHER_STORES = "not s3 and not swift and not rbd and not http"


def run(*command: str | Path, timeout_s: float = 60.0) -> str:
    """Run a program; give what it prints."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, check=False, text=True, timeout=timeout_s, **pipes)
    assert done.returncode == 0, f"{command}: {done.returncode} {done.stdout}"
    return done.stdout


def say(line: str) -> None:
    """Write to the console, or to whoever reads us."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def start_server() -> None:
    """Have the kernel answer; files are locked as before once the clients have claimed their locks again."""
    run("rpc.nfsd", "--no-udp", "--no-nfs-version", "3", "--grace-time", str(LEASE_S), "--lease-time", str(LEASE_S), "4")


def stop_server() -> None:
    """Forget all clients, as at a crash."""
    run("rpc.nfsd", "0")


def restart_server(pause_s: float) -> subprocess.Popen[bytes]:
    """Stop the server now, and start it after a pause: by a process, since one that has written cannot start any meanwhile.

    Its child would close the files, and so wait for the server before it comes to the program.
    """
    process = subprocess.Popen([sys.executable, __file__, str(pause_s)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"stopped\n"
    return process


def export() -> None:
    """Let all clients have the folder."""
    run("exportfs", *EXPORT, f"*:{EXPORTED}")


def unexport() -> None:
    """Refuse it to all; the handles that they have are stale."""
    run("exportfs", "-u", f"*:{EXPORTED}")
    run("exportfs", "-f")


def cut_off(client: str, away: bool) -> None:
    """Unplug a client, or plug it in again."""
    run("ip", "link", "set", f"to-{client}", "down" if away else "up")


def _prepare_server() -> None:
    for folder in ("/var/lib/nfs/rpc_pipefs", "/var/lib/nfs/nfsdcld", "/var/lib/nfs/v4recovery", EXPORTED):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for path in ("/var/lib/nfs/etab", "/var/lib/nfs/rmtab", "/etc/exports"):
        Path(path).touch()
    run("ip", "link", "set", "lo", "up")
    run("mount", "-t", "ext4", "/dev/vda", EXPORTED)
    run("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
    run("mount", "-t", "rpc_pipefs", "sunrpc", "/var/lib/nfs/rpc_pipefs")
    run("nfsdcld")
    export()
    start_server()
    run("rpc.mountd", "--no-nfs-version", "3")


def _add_client(number: int, name: str, folder: Path) -> None:
    """Give a client its namespaces, a cable to the server, and the server's folder."""
    holder = subprocess.Popen(["unshare", "--net", "--uts", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert holder.stdin is not None and holder.stdout is not None
    holder.stdin.write(b"there?\n")
    assert holder.stdout.readline() == b"there?\n"  # so it has its namespaces, and keeps them for as long as we live
    HOLDERS.append(holder)
    inside = ("nsenter", "--target", str(holder.pid), "--net", "--uts")
    run(*inside, "hostname", name)
    run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "cable", "netns", str(holder.pid))
    server = ADDRESS.format(number)
    run("ip", "address", "add", f"{server}/24", "dev", f"to-{name}")
    run("ip", "link", "set", f"to-{name}", "up")
    run(*inside, "ip", "address", "add", f"{server.removesuffix('1')}2/24", "dev", "cable")
    run(*inside, "ip", "link", "set", "cable", "up")
    run(*inside, "ip", "link", "set", "lo", "up")
    folder.mkdir(parents=True, exist_ok=True)
    run(*inside, "mount", "-t", "nfs4", "-o", OPTIONS, f"{server}:/", folder)


def _pytest(name: str, *arguments: str) -> None:
    top = os.environ["TOP"]
    command = [sys.executable, "-m", "pytest", "-q", f"--rootdir={top}"]
    command += ["-p", "no:cacheprovider", "-p", "pytest_timeout", "--color=no"]
    results = [f"--junit-xml={OUT}/{name}.xml", "--durations=8", "--tb=short", f"--basetemp={CLIENTS['one']}/{name}"]
    subprocess.run([*command, *results, *arguments], cwd=top, check=False)


def main() -> None:
    """Do all of it; what goes wrong is on the console."""
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    _prepare_server()
    for number, (name, folder) in enumerate(CLIENTS.items()):
        _add_client(number, name, folder)
    say(f"GUEST-UP {time.monotonic()}\n{run('findmnt', '-t', 'nfs4', '-o', 'TARGET,OPTIONS')}")
    # the conftest of all tests brings databases along, which are not needed here
    stores = f"--confcutdir={os.environ['TOP']}/tests/unit/image/stores"
    if "stories" in os.environ["PARTS"]:
        _pytest("stories", f"--confcutdir={os.environ['TOP']}/tests/unit", STORIES)
    if "contract" in os.environ["PARTS"]:
        _pytest("contract", stores, "-k", OTHER_STORES, *TESTS)
    say(f"GUEST-DOWN {time.monotonic()}")


if __name__ == "__main__" and len(sys.argv) > 1:
    stop_server()
    say("stopped")
    time.sleep(float(sys.argv[1]))
    start_server()
elif __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc()
    ctypes.CDLL(None).reboot(0x4321FEDC)  # power off
