"""A host's upload: streamed, begun anew after cuts, told the truth about what ended it."""

from __future__ import annotations

import http.server
import threading

import pytest

from nova_lite import errors
from nova_lite.image.client import Patience, Stopped
from nova_lite.image.sending import Content, send
from nova_lite.model.image import ImageTarget

DATA = bytes(range(256)) * 20_000  # 5 MB
QUICK = Patience(connect_s=2, read_s=2, without_progress_s=1.0, pause_s=0.05)


class Service:
    """An image service that does what a test tells it: `script` holds one behaviour a request, the last one stays."""

    def __init__(self):
        self.script = [204]
        self.taken = []
        self.headers = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/image/v2/images/x/file"

    def _handler(service):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                service.headers.append(dict(self.headers))
                behaviour = service.script.pop(0) if len(service.script) > 1 else service.script[0]
                if behaviour == "cut":
                    self.rfile.read(100_000)
                    self.connection.close()
                    return
                if behaviour != "at once":
                    service.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(507 if behaviour == "at once" else behaviour)
                self.send_header("Content-Length", "0")
                self.send_header("Retry-After", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        return Handler


@pytest.fixture
def service():
    service = Service()
    yield service
    service.server.shutdown()
    service.server.server_close()


def sent(service, stop=None, pieces=None):
    target = ImageTarget(image_id="x", url=service.url, ticket="secret")
    cut = [DATA[start : start + 300_000] for start in range(0, len(DATA), 300_000)]
    send(target, Content(size_bytes=len(DATA), pieces=pieces or (lambda: iter(cut))), stop or threading.Event(), patience=QUICK)


def test_all_bytes_come_with_the_ticket_and_nothing_else(service):
    sent(service)

    assert service.taken == [DATA]
    (headers,) = service.headers
    assert headers["X-Image-Ticket"] == "secret"
    assert "X-Auth-Token" not in headers


@pytest.mark.parametrize("trouble", ["cut", 503, 500, 409])
def test_what_passes_is_tried_again_from_the_beginning(service, trouble):
    service.script = [trouble, trouble, 204]

    sent(service)

    assert service.taken[-1] == DATA
    assert len(service.headers) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.Gone),
        (410, errors.Gone),
        (413, errors.TooLarge),
        (507, errors.InsufficientStorage),
        ("at once", errors.InsufficientStorage),
    ],
)
def test_what_is_final_is_said_at_once(service, status, error):
    service.script = [status]

    with pytest.raises(error):
        sent(service)

    assert len(service.headers) == 1


@pytest.mark.parametrize(("trouble", "error"), [("cut", errors.Unavailable), (503, errors.Unavailable), (409, errors.Conflict)])
def test_patience_ends(service, trouble, error):
    service.script = [trouble]

    with pytest.raises(error):
        sent(service)

    assert len(service.headers) > 1


def test_a_stop_ends_it_between_two_pieces(service):
    stop = threading.Event()

    def pieces():
        yield DATA[:1000]
        stop.set()
        yield DATA[1000:]

    with pytest.raises(Stopped):
        sent(service, stop, pieces)


def test_what_the_disk_raises_comes_through(service):
    def pieces():
        yield DATA[:1000]
        raise errors.Unavailable("the disk is away")

    with pytest.raises(errors.Unavailable, match="the disk is away"):
        sent(service, pieces=pieces)
