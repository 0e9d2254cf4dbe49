"""An HTTP server on the loopback interface that keeps what is posted to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """``posts`` are the bodies that came; the next ``refusals`` of them are answered with 500."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.refusals = 0
        self.paths: list[str] = []
        self.port = 0

    @contextmanager
    def run(self) -> Iterator["Receiver"]:
        """Serve until the block ends."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.paths.append(self.path)
                refused = receiver.refusals > 0
                receiver.refusals -= refused
                if not refused:
                    receiver.posts.append(json.loads(body))
                self.send_response(500 if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
