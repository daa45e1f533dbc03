"""The open socket, the server on it, and its end."""

import asyncio
import ipaddress
import json
import os
import signal
import socket
import threading
from urllib.parse import quote

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ser.errors import InputError

HEADER_SECONDS = 10.0  # from an open connection to a whole request header
MOST_CONNECTIONS = 512
REQUEST_SECONDS = 420.0  # from the header to the last byte of the answer, taken by the client
GRACE_SECONDS = 1  # for answers under way once the server is told to end
LAST_SECONDS = 2.5  # after which the process ends whatever still runs


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host``; it is handed to the server, so nobody can take the port between.

    Raises
    ------
    InputError : no such address here, or the port is taken
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"cannot listen on {host}, port {port}: {getattr(error, 'strerror', None) or error}. "
            f"Choose another --port, or --host."
        ) from error
    return listener


def address_of(host: str, port: int, token: str | None) -> str:
    """What to open in a browser on this machine."""
    shown = (
        "127.0.0.1" if host in ("0.0.0.0", "") else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    )
    return f"http://{shown}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def serve(app, listener: socket.socket, *, stopping: threading.Event) -> None:
    """Serve on an open socket until SIGINT or SIGTERM.

    Parameters
    ----------
    stopping : set when the end begins, so that recognitions under way stop at their next block
    """
    config = uvicorn.Config(
        app,
        http=_PatientProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=65536,
    )
    _Server(config, stopping).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends when it is told to, whatever is open."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event):
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame) -> None:
        self._stopping.set()
        end = threading.Timer(LAST_SECONDS, os._exit, [128 + sig if sig != signal.SIGINT else 130])
        end.daemon = True
        end.start()
        super().handle_exit(sig, frame)


class _PatientProtocol(H11Protocol):
    """Closes connections on which no whole request header arrives, or whose answers are not taken.

    uvicorn waits for both for ever, and answers a damaged header in plain text.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._within(HEADER_SECONDS)

    def connection_lost(self, exc) -> None:
        self._within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._within(REQUEST_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Until the next header, or until the client has taken the answer and the connection is closed.
        self._within(HEADER_SECONDS)

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()  # in the middle of another answer nothing can be said
            return
        body = json.dumps({"error": {"kind": "unreadable", "message": msg}}).encode()
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def _within(self, seconds: float | None) -> None:
        """Abort the connection after some seconds, unless something is called for before; ``None`` for never."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort) if seconds is not None else None
