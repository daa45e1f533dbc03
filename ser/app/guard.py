"""Who may ask the server, and how much they may send: around every route, before any of them runs."""

import asyncio
import hmac
import ipaddress
import logging
import re
import socket
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, RedirectResponse, Response

LARGEST_BYTES = 50_000_000  # of an upload, headers of its form included
STALL_SECONDS = 15.0  # without a byte of the body
UPLOAD_SECONDS = 300.0  # for the whole body
DRAINED_BYTES = 8 * LARGEST_BYTES  # read and thrown away, so that a client that is still sending reads the refusal
DRAIN_SECONDS = 20.0
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
EVERY_ADDRESS = ("0.0.0.0", "::", "")
OPEN_PATHS = ("/health",)  # without a token
COOKIE = "ser_token"
MOST_REQUESTS = 128  # at once; each may hold an upload
NETLOC = re.compile(r"(?:(?P<name>[a-z0-9-]+(?:\.[a-z0-9-]+)*)\.?|\[(?P<address>[0-9a-f:.]+)\])(?::[0-9]{1,5})?")
# A browser fetches from this server and nowhere else, and shows the page in no other page's frame.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
DOCS_POLICY = CONTENT_POLICY.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
log = logging.getLogger("ser.app")


@dataclass(frozen=True)
class Access:
    """Under which names the server answers, and the token that it asks for.

    Attributes
    ----------
    hosts : names and addresses, in lower case, without ports
    any_address : whether every literal IP address is such a name (DNS rebinding needs a name, never an address)
    token : ``None`` where everyone who reaches the server may ask
    framed_by : origin of the one other page that may show this one in a frame, such as ``https://huggingface.co``
    public : whether others than the users of this machine may ask
    """

    hosts: frozenset[str]
    any_address: bool = False
    token: str | None = None
    framed_by: str | None = None
    public: bool = False

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` header is one of this server's."""
        name = hostname(host)
        return name in self.hosts or (self.any_address and _is_address(name))


def access(host: str, token: str | None, *, public: str | None = None, framed_by: str | None = None) -> Access:
    """What ``--host``, ``--token``, ``--public`` and ``--framed-by`` allow."""
    if public is not None:
        return Access(LOOPBACK_HOSTS | {public.lower()}, framed_by=framed_by, public=True)
    if host in EVERY_ADDRESS:
        own = {socket.gethostname().lower(), socket.getfqdn().lower()}
        return Access(LOOPBACK_HOSTS | own, any_address=True, token=token, public=True)
    name = host.lower().strip("[]")
    return Access(LOOPBACK_HOSTS | {name}, token=token, public=name not in LOOPBACK_HOSTS)


def hostname(netloc: str) -> str:
    """The name in ``name:port`` or ``[address]:port``, in lower case; empty where it is none of these."""
    found = NETLOC.fullmatch(netloc.lower())
    return (found["name"] or found["address"]) if found else ""


def refusal(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error in the one shape that all have."""
    return JSONResponse({"error": {"kind": kind, "message": message}}, status_code=status, headers=headers)


class TooLarge(Exception):
    """A body beyond ``LARGEST_BYTES``."""


class Stalled(Exception):
    """A body that does not arrive."""


class Guard:
    """ASGI middleware: ``Host``, ``Origin``, token, size and pace of the body, headers of the response."""

    def __init__(self, app, *, access: Access):
        self.app, self.access, self.requests = app, access, 0

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        body = _Body(receive)
        send = _with_headers(send, body, self._headers(scope["path"]))
        refused = self._refuse(scope, headers)
        # Who may not ask takes nobody's place.
        counted = refused is None and scope["path"] not in OPEN_PATHS
        self.requests += counted
        try:
            if counted and self.requests > MOST_REQUESTS:
                refused = refusal(503, "slow", "too many requests at once; try again")
            await (refused(scope, receive, send) if refused else self._answer(scope, body, headers, send))
        except asyncio.CancelledError:
            log.warning("a request was ended with the server")
        finally:
            self.requests -= counted

    async def _answer(self, scope, body: "_Body", headers: list[tuple[str, str]], send) -> None:
        """Carry a request out; whatever goes wrong with its body is answered, or said in one line."""
        try:
            if body.announced(headers) > LARGEST_BYTES:
                raise TooLarge
            await self.app(scope, body.receive, send)
            return
        except TooLarge:
            refused = refusal(413, "large", f"larger than {LARGEST_BYTES // 1_000_000} MB", {"connection": "close"})
        except (Stalled, TimeoutError):
            log.warning("an upload stalled and was given up")
            refused = refusal(408, "slow", "the recording did not arrive in time", {"connection": "close"})
        except ClientDisconnect:
            log.warning("a client went away before its answer")
            return
        except Exception as error:
            log.error(
                "a request could not be answered: %s", ascii(error)[:200], exc_info=log.isEnabledFor(logging.DEBUG)
            )
            refused = refusal(
                500, "fault", "the server could not answer; its output says more", {"connection": "close"}
            )
        await refused(scope, body.receive, send)

    def _headers(self, path: str) -> dict[str, str]:
        policy = DOCS_POLICY if path == "/docs" else CONTENT_POLICY
        if self.access.framed_by is None:
            return HEADERS | {"content-security-policy": policy}
        others = {name: value for name, value in HEADERS.items() if name != "x-frame-options"}
        framed = policy.replace("frame-ancestors 'none'", f"frame-ancestors {self.access.framed_by}")
        return others | {"content-security-policy": framed}

    def _refuse(self, scope, headers: list[tuple[str, str]]) -> Response | None:
        """Why a request is not carried out, or ``None``."""
        hosts = [value for name, value in headers if name == "host"]
        if len(hosts) != 1 or not self.access.knows(hosts[0]):
            return refusal(421, "host", "this server does not answer under that name")
        reading, own = scope["method"] in ("GET", "HEAD"), hosts[0].lower()
        for name, value in headers:
            foreign_origin = name == "origin" and value.lower() not in (f"http://{own}", f"https://{own}")
            foreign_page = name == "sec-fetch-site" and value not in ("same-origin", "none") and not reading
            if foreign_origin or foreign_page:
                return refusal(403, "origin", "requests of other web pages are not carried out")
        if self.access.token is None or scope["path"] in OPEN_PATHS:
            return None
        return self._ask_for_token(scope, dict(headers), reading=reading)

    def _ask_for_token(self, scope, headers: dict[str, str], *, reading: bool) -> Response | None:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if reading and scope["path"] == "/" and self._right(query.get("token", "")):
            entered = RedirectResponse("/", status_code=303)
            entered.set_cookie(COOKIE, self.access.token or "", httponly=True, samesite="strict")
            return entered
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._right(bearer) or self._right(_cookie(headers.get("cookie", ""))):
            return None
        return refusal(
            401,
            "token",
            "open the address with the token that 'ser app' printed, or send it as 'Authorization: Bearer TOKEN'",
            {"www-authenticate": "Bearer"},
        )

    def _right(self, given: str) -> bool:
        return self.access.token is not None and hmac.compare_digest(given.encode(), self.access.token.encode())


class _Body:
    """The body of a request, counted and timed as it arrives."""

    def __init__(self, receive):
        self._receive, self._bytes, self._ended = receive, 0, False
        self._until = asyncio.get_running_loop().time() + UPLOAD_SECONDS

    def announced(self, headers: list[tuple[str, str]]) -> int:
        lengths = [value for name, value in headers if name == "content-length" and value.isdecimal()]
        return max(map(int, lengths), default=0)

    async def receive(self) -> dict:
        """The next message, for the application."""
        if self._ended:
            return await self._receive()  # waits for the client to go, without an end
        patience = min(STALL_SECONDS, self._until - asyncio.get_running_loop().time())
        try:
            message = await asyncio.wait_for(self._receive(), max(patience, 0.001))
        except TimeoutError as error:
            raise Stalled from error
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._bytes > LARGEST_BYTES:
            raise TooLarge
        return message

    @property
    def ended(self) -> bool:
        """Whether all of it has come."""
        return self._ended

    async def drain(self) -> None:
        """Read the rest and forget it: a client that is still sending would see a reset instead of the answer."""
        until = asyncio.get_running_loop().time() + DRAIN_SECONDS
        while not self._ended and self._bytes < DRAINED_BYTES:
            try:
                message = await asyncio.wait_for(self._receive(), max(until - asyncio.get_running_loop().time(), 0.001))
            except TimeoutError:
                return
            self._bytes += len(message.get("body", b""))
            self._ended = not message.get("more_body", False)


def _with_headers(send, body: _Body, headers: dict[str, str]):
    started = False

    async def sent(message) -> None:
        nonlocal started
        if message["type"] == "http.response.start":
            if started:  # an error after the answer had begun: nothing more can be said
                return
            started = True
            if message["status"] >= 400:
                await body.drain()
            given = {name for name, _ in message["headers"]}
            own = {name.encode(): value.encode() for name, value in headers.items()}
            message["headers"] = [*message["headers"], *((n, v) for n, v in own.items() if n not in given)]
        await send(message)

    return sent


def _cookie(header: str) -> str:
    """The token among the cookies; those of other servers on this machine may be of any form."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value.strip('"') for name, _, value in pairs if name == COOKIE), "")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
