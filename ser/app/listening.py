"""The open socket, the server on it, and its end."""

import asyncio
import ipaddress
import os
import signal
import socket
import threading

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ser.errors import InputError

HEADER_SECONDS = 10.0  # from an open connection to a whole request header
MOST_CONNECTIONS = 256
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
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}. Choose another --port."
        ) from error
    return listener


def address_of(host: str, port: int, token: str | None) -> str:
    """What to open in a browser on this machine."""
    shown = (
        "127.0.0.1" if host in ("0.0.0.0", "") else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    )
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


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
        limit_concurrency=MOST_CONNECTIONS,
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
    """Closes connections on which no whole request header arrives: uvicorn waits for one for ever."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self._await_header()

    def connection_lost(self, exc) -> None:
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._forget_timer()
        elif self._idle() and self._timer is None:
            self._await_header()

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_header(self) -> None:
        self._timer = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if self._idle() and not self.transport.is_closing():
            self.transport.close()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
