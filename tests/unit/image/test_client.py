"""A host's download: resumed after cuts, checked, stopped, bounded."""

from __future__ import annotations

import hashlib
import http.server
import threading

import pytest

from nova_lite import errors
from nova_lite.image.client import ImageDamaged, Patience, Stopped, download
from nova_lite.model.image import ImageSource

DATA = bytes(range(256)) * 20_000  # 5 MB
QUICK = Patience(connect_s=2, read_s=2, without_progress_s=1.0, pause_s=0.05)


class Service:
    """An image service that does what a test tells it: `script` holds one behaviour a request, the last one stays."""

    def __init__(self):
        self.script = ["serve"]
        self.requests = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/image/v2/images/x/file"

    def _handler(service):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                service.requests.append((self.path, dict(self.headers)))
                behaviour = service.script.pop(0) if len(service.script) > 1 else service.script[0]
                service.answer(self, behaviour)

            def log_message(self, *_arguments):
                pass

        return Handler

    def answer(self, handler, behaviour):
        if isinstance(behaviour, int):
            handler.send_response(behaviour)
            handler.send_header("Retry-After", "0")
            handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = 0 if behaviour == "no ranges" else int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        data = {"wrong": b"\0" * len(DATA), "longer": DATA + b"x"}.get(behaviour, DATA)[start:]
        handler.send_response(200 if behaviour == "no ranges" else 206)
        shown = start + 1 if behaviour == "wrong place" else start
        handler.send_header("Content-Range", f"bytes {shown}-{len(DATA) - 1}/{len(DATA)}")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        sent = data[:1_000_000] if behaviour in ("cut", "stall") else data
        handler.wfile.write(sent)
        if behaviour == "stall":
            handler.wfile.flush()
            self.stalled.set()
            self.release.wait(20)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service():
    made = Service()
    made.stalled, made.release = threading.Event(), threading.Event()
    yield made
    made.release.set()
    made.close()


@pytest.fixture
def bring(service, tmp_path):
    """Give the function that downloads to a file, which it gives."""

    def work(stop=None, patience=QUICK, **changes):
        fields = {
            "image_id": "x",
            "sha512": hashlib.sha512(DATA).hexdigest(),
            "size_bytes": len(DATA),
            "virtual_size_bytes": len(DATA),
            "disk_format": "raw",
            "url": service.url,
            "ticket": "a secret",
        }
        target = tmp_path / "target"
        download(ImageSource(**(fields | changes)), target, stop or threading.Event(), patience=patience)
        return target

    return work


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_image_comes_whole_with_the_ticket_in_a_header_only(bring, service, tmp_path):
    assert bring().read_bytes() == DATA
    path, headers = service.requests[0]
    assert (headers["X-Image-Ticket"], "secret" in path) == ("a secret", False)
    assert names(tmp_path) == ["target"]


@pytest.mark.parametrize(
    "script",
    [
        ["cut", "serve"],
        ["cut", "cut", "cut", "cut", "cut", "serve"],
        [503, 503, "serve"],
        ["cut", 500, 502, "cut", "serve"],
        ["cut", "no ranges"],
        ["cut", "wrong place", "serve"],
        ["stall", "serve"],
    ],
)
def test_a_transfer_goes_on_after_anything_that_passes(bring, service, script):
    service.script = script

    assert bring(patience=Patience(connect_s=2, read_s=0.3, without_progress_s=5, pause_s=0.01)).read_bytes() == DATA


def test_a_transfer_goes_on_where_it_was_cut(bring, service):
    service.script = ["cut", "serve"]

    bring()

    assert [headers["Range"] for _, headers in service.requests] == ["bytes=0-", "bytes=1000000-"]


def test_another_process_goes_on_where_the_last_one_ended(bring, service, tmp_path):
    (tmp_path / ".target.part").write_bytes(DATA[:3_000_000])

    assert bring().read_bytes() == DATA
    assert service.requests[0][1]["Range"] == "bytes=3000000-"


def test_a_leftover_that_is_longer_than_the_image_is_thrown_away(bring, tmp_path):
    (tmp_path / ".target.part").write_bytes(DATA + b"more")

    assert bring().read_bytes() == DATA


@pytest.mark.parametrize("script", [["wrong"], ["longer"], [416]])
def test_wrong_bytes_are_told_and_not_kept(bring, service, tmp_path, script):
    service.script = script

    with pytest.raises(ImageDamaged):
        bring()

    assert names(tmp_path) == []


def test_a_damaged_leftover_is_told_and_not_kept(bring, tmp_path):
    (tmp_path / ".target.part").write_bytes(b"\0" * 1000)

    with pytest.raises(ImageDamaged):
        bring()

    assert names(tmp_path) == []
    assert bring().read_bytes() == DATA


@pytest.mark.parametrize(("status", "failure"), [(401, errors.Unauthorized), (403, errors.Forbidden), (404, errors.NotFound)])
def test_a_clear_no_is_not_asked_again(bring, service, status, failure):
    service.script = [status]

    with pytest.raises(failure):
        bring()

    assert len(service.requests) == 1


def test_redirects_are_not_followed(bring, service):
    service.script = [302]

    with pytest.raises(errors.Unavailable):
        bring()


def test_a_service_that_stays_away_is_unavailable_and_what_came_is_kept(bring, service, tmp_path):
    service.script = ["cut", 503]

    with pytest.raises(errors.Unavailable, match="503"):
        bring()

    assert (tmp_path / ".target.part").stat().st_size == 1_000_000


def test_nobody_at_the_address_is_unavailable(bring):
    with pytest.raises(errors.Unavailable):
        bring(url="http://127.0.0.1:1/x")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "nonsense"])
def test_other_addresses_are_refused(bring, url):
    with pytest.raises(errors.BadRequest):
        bring(url=url)


def test_a_stop_ends_a_pause_at_once(bring, service):
    service.script = [503]
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    timer.start()

    with pytest.raises(Stopped):
        bring(stop, Patience(without_progress_s=60, pause_s=60))

    timer.join()


def test_a_stop_during_the_transfer_keeps_what_came(bring, service, tmp_path):
    service.script = ["stall"]
    stop = threading.Event()

    def end():
        service.stalled.wait(10)
        stop.set()
        service.release.set()

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(Stopped):
        bring(stop)
    thread.join()

    assert (tmp_path / ".target.part").exists()
    assert not (tmp_path / "target").exists()


def test_an_empty_image_needs_no_request(bring, service):
    assert bring(size_bytes=0, sha512=hashlib.sha512(b"").hexdigest()).read_bytes() == b""
    assert service.requests == []


def test_a_folder_that_is_missing_is_unavailable(service, tmp_path):
    source = ImageSource(
        image_id="x", sha512="", size_bytes=1, virtual_size_bytes=1, disk_format="raw", url=service.url, ticket="t"
    )

    with pytest.raises(errors.Unavailable):
        download(source, tmp_path / "missing" / "target", threading.Event())
