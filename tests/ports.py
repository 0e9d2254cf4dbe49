"""Ports for servers that are started later, or again."""

import random
import socket


def quiet_port() -> int:
    """A free port below those that the system gives away, so that nobody takes it meanwhile."""
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.randrange(20_000, 32_000)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
