"""The page in a real browser where there is one, the HTTP interface with real clients, and attacks on both."""

import asyncio
import csv
import http.client
import io as streams
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path

import anyio
import numpy as np
import psutil
import pytest
import soundfile
from helpers import CHROMIUM, free_port

import ser
from ser import cli
from ser.answers.bundle import pack, unpack
from ser.answers.files import Outcome, answer_together
from ser.answers.opening import open_bundle
from ser.answers.recognizer import Recognizer
from ser.errors import NoAnswer

pytestmark = pytest.mark.server

pytest.importorskip("fastapi")
from starlette.requests import ClientDisconnect  # noqa: E402

from ser.app.guard import MOST_REQUESTS  # noqa: E402
from ser.app.server import Queue  # noqa: E402

SECONDS_TO_START = 90
SECRET = "a line that only its owner may read"


@contextmanager
def serving(*options: str, port: int | None = None, **environment: str) -> Iterator[tuple[int, subprocess.Popen]]:
    """A server of the shipped networks on a free port, ended at the end."""
    port = port or free_port()
    command = [sys.executable, "-m", "ser", "app", "--port", str(port), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
    ) as server:
        try:
            wait_for(port, server)
            yield port, server
        finally:
            server.kill()


def wait_for(port: int, server: subprocess.Popen) -> None:
    limit = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < limit:
        assert server.poll() is None, server.stdout.read()
        for host in ("127.0.0.1", "::1"):
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as client:
                if client.connect_ex((host, port)) == 0:
                    return
        time.sleep(0.1)
    pytest.fail(f"the page did not start in {SECONDS_TO_START} s")


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[int, subprocess.Popen]]:
    with serving() as (port, server):
        yield port, server


@pytest.fixture(scope="module")
def address(running) -> str:
    return f"http://127.0.0.1:{running[0]}"


@pytest.fixture(scope="module")
def voice(address) -> bytes:
    """A synthetic voice as a WAV file."""
    return urllib.request.urlopen(f"{address}/examples/anger.wav", timeout=60).read()


def post(address: str, content, path: str = "/predict", **headers: str) -> tuple[int, dict | list]:
    """Status and answer of the interface."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{address}{path}", content, named), timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def form(files: list[tuple[str, bytes]], field: str = "file") -> tuple[bytes, str]:
    """Body and content type of a form with files."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + content
        for name, content in files
    ]
    return b"\r\n".join([*parts, b"--edge--\r\n"]), "multipart/form-data; boundary=edge"


def encoded(samples: np.ndarray, sample_rate: int, **how: str) -> bytes:
    content = streams.BytesIO()
    soundfile.write(content, samples, sample_rate, **({"format": "FLAC"} | how))
    return content.getvalue()


# Answers


def test_the_interface_answers_as_the_command_and_the_library_do(address, voice, capsys, tmp_path):
    (tmp_path / "voice.wav").write_bytes(voice)
    status, answer = post(address, voice)
    assert cli.main(["predict", "--json", str(tmp_path / "voice.wav")]) == 0
    assert status == 200
    assert answer | {"file": ""} == json.loads(capsys.readouterr().out) | {"file": ""}
    library = ser.load().predict(tmp_path / "voice.wav")
    assert (library.emotion, library.certainty, list(library.doubts)) == tuple(
        answer[key] for key in ("emotion", "certainty", "doubts")
    )
    assert library.probabilities == pytest.approx(answer["probabilities"], abs=1e-6)
    for network, own in library.networks.items():
        assert own == pytest.approx(answer["networks"][network], abs=1e-6)


@pytest.mark.parametrize("field", ["file", "audio"])
def test_a_form_is_answered_as_the_bytes_are(address, voice, field):
    body, kind = form([("a voice.wav", voice)], field)
    status, answer = post(address, body, Content_Type=kind)
    assert (status, answer["file"]) == (200, "a voice.wav")
    assert answer | {"file": ""} == post(address, voice)[1] | {"file": ""}


def test_several_files_are_answered_in_their_order(address, voice):
    body, kind = form([("a.wav", voice), ("b.wav", b"no sound"), ("c.wav", voice)])
    status, answers = post(address, body, Content_Type=kind)
    assert status == 200
    assert [answer["file"] for answer in answers] == ["a.wav", "b.wav", "c.wav"]
    assert answers[1]["error"]["kind"] == "unreadable"
    assert answers[0] | {"file": ""} == answers[2] | {"file": ""}


def test_many_clients_at_once_are_answered_as_each_one_would_be(address, voice):
    longer = encoded(np.tile(soundfile.read(streams.BytesIO(voice))[0], 12), 16_000)
    other = urllib.request.urlopen(f"{address}/examples/sadness.wav", timeout=60).read()
    sent = [voice, other, b"no sound", longer, encoded(np.zeros(16_000), 16_000), other[: len(other) // 2]]
    one_by_one = [post(address, content) for content in sent]
    with ThreadPoolExecutor(24) as clients:
        together = [*clients.map(lambda number: post(address, sent[number % len(sent)]), range(48))]
    for number, (status, answer) in enumerate(together):
        expected_status, expected = one_by_one[number % len(sent)]
        assert status == expected_status
        assert answer.get("error") == expected.get("error")
        if status == 200:
            assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-4)
    assert [status for status, _ in one_by_one] == [200, 200, 415, 200, 422, 415]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl_sends_a_form_and_bytes(address, voice, tmp_path):
    (tmp_path / "a.wav").write_bytes(voice)
    for how in (["-F", f"file=@{tmp_path}/a.wav"], ["--data-binary", f"@{tmp_path}/a.wav"]):
        done = subprocess.run(["curl", "-sS", *how, f"{address}/predict"], capture_output=True, check=True)
        assert json.loads(done.stdout)["emotion"]


def test_requests_sends_a_form(address, voice):
    requests = pytest.importorskip("requests")
    answer = requests.post(f"{address}/predict", files={"file": ("a.wav", voice)}, timeout=60)
    assert answer.json()["file"] == "a.wav"


def test_health_info_and_documentation_are_served_from_here(address):
    assert json.load(urllib.request.urlopen(f"{address}/health")) == {"status": "ok"}
    info = json.load(urllib.request.urlopen(f"{address}/info"))
    assert "CREMA-D" in info["card"]
    assert "dir" not in info["about"]["params"]["corpus"]  # where it lay is nobody's business
    described = json.load(urllib.request.urlopen(f"{address}/openapi.json"))
    assert {"/predict", "/explain", "/info", "/health"} <= set(described["paths"])
    assert "multipart/form-data" in described["paths"]["/predict"]["post"]["requestBody"]["content"]
    page = urllib.request.urlopen(f"{address}/docs").read().decode()
    assert "://" not in page.replace(address, "")


def test_explain_gives_a_picture(address, voice):
    with urllib.request.urlopen(urllib.request.Request(f"{address}/explain", voice), timeout=60) as answer:
        assert answer.headers["content-type"] == "image/png"
        assert answer.read(4) == b"\x89PNG"
    assert post(address, voice, "/explain?bundle=2")[0] == 404


def with_profile(voice: bytes, profile: bytes) -> tuple[bytes, str]:
    """A form with a recording and a profile."""
    recording, kind = form([("a.wav", voice)])
    known, _ = form([("me.profile", profile)], field="profile")
    return recording.removesuffix(b"--edge--\r\n") + known, kind


def test_a_voice_is_calibrated_and_known_in_the_next_answer(address, voice, tmp_path, capsys):
    """The interface's profile is the command's, and so is the answer with it."""
    samples, rate = soundfile.read(streams.BytesIO(voice))
    (tmp_path / "mine").mkdir()
    others = [encoded(samples[start : start + 16000], rate) for start in (0, 8000, 12000)]
    for number, content in enumerate(others):
        (tmp_path / "mine" / f"{number}.flac").write_bytes(content)
    content, kind = form([(f"{number}.flac", other) for number, other in enumerate(others)] + [("x.wav", b"none")])
    status, found = post(address, content, "/calibrate", Content_Type=kind)
    assert (status, found["clips"]) == (200, 3)
    assert [failure["file"] for failure in found["left_out"]] == ["x.wav"]
    assert cli.main(["calibrate", str(tmp_path / "mine"), "-o", str(tmp_path / "me.profile")]) == 0
    assert json.loads((tmp_path / "me.profile").read_text()) == found["profile"]
    (tmp_path / "voice.wav").write_bytes(voice)
    capsys.readouterr()
    command = ["predict", "--json", "--profile", str(tmp_path / "me.profile"), str(tmp_path / "voice.wav")]
    assert cli.main(command) == 0
    expected = json.loads(capsys.readouterr().out)
    content, kind = with_profile(voice, json.dumps(found["profile"]).encode())
    status, answer = post(address, content, Content_Type=kind)
    assert status == 200
    assert answer["probabilities"] == expected["probabilities"]
    assert answer["probabilities"] != post(address, voice)[1]["probabilities"]


@pytest.mark.parametrize("profile", [b"", b"{}", b"[" * 50_000, b"\xff", b" " * 3_000_000])
def test_a_profile_that_is_none_is_refused(address, voice, profile):
    content, kind = with_profile(voice, profile)
    status, answer = post(address, content, Content_Type=kind)
    assert status == 415
    assert "profile" in answer["error"]["message"]


def test_a_profile_is_one_file(address, voice):
    recording, kind = form([("a.wav", voice)])
    text = b'--edge\r\nContent-Disposition: form-data; name="profile"\r\n\r\n{}\r\n--edge--\r\n'
    content = recording.removesuffix(b"--edge--\r\n") + text
    assert "send it as profile=@" in post(address, content, Content_Type=kind)[1]["error"]["message"]
    several, _ = form([("a", b"{}"), ("b", b"{}")], field="profile")
    content = recording.removesuffix(b"--edge--\r\n") + several
    assert "several profiles" in post(address, content, Content_Type=kind)[1]["error"]["message"]


def test_what_cannot_be_calibrated_with_is_refused(address):
    status, answer = post(address, b"no sound", "/calibrate")
    assert (status, answer["error"]["kind"]) == (415, "unreadable")
    status, answer = post(address, encoded(np.zeros(16000), 16000), "/calibrate")
    assert (status, answer["error"]["kind"]) == (422, "silent")


def test_the_interface_refuses_with_kind_and_status(address):
    given = {
        (415, "unreadable"): b"not a sound",
        (422, "short"): encoded(np.full(1000, 0.1), 16000),
        (422, "silent"): encoded(np.zeros(32000), 16000),
        (413, "large"): encoded(np.zeros(601 * 8000), 8000),
    }
    for (status, kind), content in given.items():
        found, answer = post(address, content)
        assert (found, answer["error"]["kind"]) == (status, kind)
        assert answer["error"]["message"]
    assert post(address, b"")[1]["error"]["message"] == "empty: not a byte was received"


# Nobody reads what is not theirs


@pytest.fixture
def secret(tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET)
    return tmp_path / "secret.txt"


def spellings(path: str) -> list[str]:
    outside = ["/etc/passwd", "/dev/zero", "file:///etc/passwd", "http://127.0.0.1:1/x", "//127.0.0.1:1/x"]
    return [path, f"/..{path}", f"file://{path}", "../" * 12 + path.lstrip("/"), *outside]


def test_no_route_opens_a_file_that_was_not_uploaded(address, secret):
    """Whatever names a file, in a path, a query, JSON, a form field or a file's name, its content never comes back."""
    routes = [route for route in json.load(urllib.request.urlopen(f"{address}/openapi.json"))["paths"]]
    old = ["/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/run/answer", "/gradio_api/call/answer"]
    for name in spellings(str(secret)):
        payload = {"path": name, "meta": {"_type": "gradio.FileData"}, "file": name, "url": name}
        for body, kind in (
            (json.dumps({"data": [payload], **payload}).encode(), "application/json"),
            (f"file={name}&path={name}".encode(), "application/x-www-form-urlencoded"),
            form([(name, b"no sound")]),
            (
                f'--edge\r\nContent-Disposition: form-data; name="file"\r\n\r\n{name}\r\n--edge--\r\n'.encode(),
                form([])[1],
            ),
        ):
            for route in [*routes, *old]:
                status, answer = post(address, body, route, Content_Type=kind)
                assert status >= 400
                assert SECRET not in json.dumps(answer)
                assert "root:" not in json.dumps(answer)
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    for name in spellings(str(secret)):
        for prefix in ("/page/", "/examples/", "/static-offline-docs/", "/", "/gradio_api/file=", "/file=", "/proxy="):
            for spelt in (name, name.replace("/", "%2f"), name.replace("..", "%2e%2e")):
                connection.request("GET", prefix + spelt)
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status in (400, 404), prefix + spelt
                assert SECRET.encode() not in body


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{name}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{name}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": "<MPD><Period><AdaptationSet><Representation><BaseURL>{name}</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_opens_neither_a_file_nor_an_address(address, voice, kind, tmp_path):
    (tmp_path / "voice.wav").write_bytes(voice)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        for name in (str(tmp_path / "voice.wav"), f"http://127.0.0.1:{listener.getsockname()[1]}/voice.wav"):
            status, answer = post(address, PLAYLISTS[kind].format(name=name).encode())
            assert (status, answer["error"]["kind"]) == (415, "unreadable")
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1", ""),
        *("evil.com@127.0.0.1", "127.0.0.1:80:evil.com", "localhost/evil", "localhost..", "[::1", "[::1]evil"),
    ],
)
def test_a_foreign_host_is_refused(address, voice, host):
    for method, path in (("GET", "/"), ("GET", "/health"), ("POST", "/predict")):
        connection = http.client.HTTPConnection(address.removeprefix("http://"))
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        connection.putheader("Content-Length", str(len(voice) if method == "POST" else 0))
        connection.endheaders(voice if method == "POST" else None)
        assert connection.getresponse().status in (400, 421)


def test_requests_of_other_pages_are_refused(address, voice):
    port = address.rsplit(":", 1)[1]
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{port}"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://["},
        {"Origin": f"file://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert post(address, voice, **{name.replace("-", "_"): value for name, value in headers.items()})[0] == 403
    assert post(address, voice, Origin=address, Sec_Fetch_Site="same-origin")[0] == 200


def test_no_page_may_frame_this_one_or_read_its_answers(address):
    headers = urllib.request.urlopen(address).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["access-control-allow-origin"] is None


def test_other_than_loopback_asks_for_a_token(voice):
    with serving("--host", "0.0.0.0") as (port, server):
        printed = server.stdout.readline()
        token = printed.split("token=")[1].split(" ")[0]
        address = f"http://127.0.0.1:{port}"
        assert post(address, voice)[0] == 401
        assert post(address, voice, Authorization="Bearer wrong")[0] == 401
        assert post(address, voice, Authorization=f"Bearer {token}")[0] == 200
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address)
        entered = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"<title>" in entered.open(f"{address}/?token={token}").read()
        assert b"<title>" in entered.open(address).read()
        assert json.load(urllib.request.urlopen(f"{address}/health")) == {"status": "ok"}


def test_a_token_can_be_given_on_loopback_too(voice):
    with serving("--token", "correct-horse") as (port, _):
        assert post(f"http://127.0.0.1:{port}", voice)[0] == 401
        assert post(f"http://127.0.0.1:{port}", voice, Authorization="Bearer correct-horse")[0] == 200


def test_who_may_not_ask_takes_nobodys_place(voice):
    """More requests than are answered at once, without the token and without an end."""
    with serving("--token", "correct-horse") as (port, _), ExitStack() as open_ones:
        for _ in range(MOST_REQUESTS + 2):
            sender = open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
            sender.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx")
        time.sleep(1)
        assert json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/health")) == {"status": "ok"}
        assert post(f"http://127.0.0.1:{port}", voice, Authorization="Bearer correct-horse")[0] == 200


def test_a_token_that_a_browser_would_change_is_refused(capsys):
    assert cli.main(["app", "--token", 'abc;def"ghi,jk']) == 1
    assert "letters, digits and" in capsys.readouterr().err


class Sender:
    """The client of a request with several recordings, who goes away after some of them."""

    def __init__(self, stays: int):
        self.stays = stays

    async def is_disconnected(self) -> bool:
        self.stays -= 1
        return self.stays < 0


def test_a_form_is_answered_as_long_as_its_sender_waits_and_within_a_minute(voice, monkeypatch):
    queue = Queue([Recognizer(open_bundle(None))], threading.Event())
    sent = [(f"{number}.wav", streams.BytesIO(voice)) for number in range(3)]
    heard = []

    def hear(recognizer, recording, *_, **__):
        heard.append(recording)
        raise NoAnswer("short", "too short")

    monkeypatch.setattr("ser.app.server.begin_source", hear)
    with pytest.raises(ClientDisconnect):
        anyio.run(queue.outcomes, Sender(stays=2), sent, queue.recognizer(1))
    assert len(heard) == 2
    monkeypatch.undo()
    monkeypatch.setattr("ser.app.server.RECOGNITION_SECONDS", -1.0)  # they waited too long for their turn
    late = anyio.run(queue.outcomes, Sender(stays=3), sent, queue.recognizer(1))
    assert [outcome.kind for outcome in late] == ["slow"] * 3


def test_small_recordings_that_wait_are_answered_together_and_large_ones_alone(voice, monkeypatch):
    monkeypatch.setattr("ser.app.server.processors", lambda: 1)
    monkeypatch.setattr("ser.app.server.SMALL_BYTES", 2 * len(voice))
    queue, together = Queue([Recognizer(open_bundle(None))], threading.Event()), []
    long = encoded(np.tile(soundfile.read(streams.BytesIO(voice))[0], 9), 16_000, format="WAV")
    sent = [("0.wav", voice), *[(f"{n}.wav", voice) for n in range(1, 12)], ("long.wav", long), ("no.wav", b"no sound")]

    def answer(recognizer, recordings):
        together.append([name for name, _ in recordings])
        return answer_together(recognizer, recordings)

    async def ask(name: str, content: bytes):
        (outcome,) = await queue.outcomes(Sender(stays=1), [(name, streams.BytesIO(content))], queue.recognizer(1))
        return outcome

    async def ask_all():
        return await asyncio.gather(*(ask(*one) for one in sent), return_exceptions=True)

    monkeypatch.setattr("ser.app.server.answer_together", answer)
    outcomes = anyio.run(ask_all)
    assert [outcome.file for outcome in outcomes] == [name for name, _ in sent]
    assert [outcome.kind for outcome in outcomes] == [""] * 13 + ["unreadable"]
    assert len(outcomes[12].recognition.windows) > 1
    assert together == [
        [f"{n}.wav" for n in range(8)],
        ["8.wav", "9.wav", "10.wav", "11.wav"],
        ["long.wav"],
        ["no.wav"],
    ]
    # One whose answer goes wrong is told so; the others, and who comes later, are answered.
    monkeypatch.setattr(
        "ser.app.server.answer_together",
        lambda recognizer, recordings: (
            1 / 0 if "3.wav" in dict(recordings) else answer_together(recognizer, recordings)
        ),
    )
    outcomes = anyio.run(ask_all)
    assert [type(outcome) for outcome in outcomes] == [Outcome] * 3 + [ZeroDivisionError] + [Outcome] * 10
    monkeypatch.undo()
    assert anyio.run(ask, "again.wav", voice).recognition is not None


def test_a_small_upload_of_a_long_recording_has_a_turn_of_its_own(voice, monkeypatch):
    monkeypatch.setattr("ser.app.server.processors", lambda: 1)
    queue, order = Queue([Recognizer(open_bundle(None))], threading.Event()), []
    long = encoded(np.tile(soundfile.read(streams.BytesIO(voice))[0], 9), 16_000, format="OGG", subtype="VORBIS")

    async def ask(name: str, content: bytes):
        (outcome,) = await queue.outcomes(Sender(stays=1), [(name, streams.BytesIO(content))], queue.recognizer(1))
        order.append(name)
        return outcome

    async def ask_all():
        return await asyncio.gather(ask("a.wav", voice), ask("long.ogg", long), ask("b.wav", voice))

    first, middle, last = anyio.run(ask_all)
    assert first.recognition.probabilities == pytest.approx(last.recognition.probabilities, abs=1e-6)
    assert len(middle.recognition.windows) > 1
    assert sorted(order) == ["a.wav", "b.wav", "long.ogg"]


def test_a_form_waits_for_no_other_request(voice, monkeypatch):
    """With one worker, which ends between two of its recordings."""
    monkeypatch.setattr("ser.app.server.processors", lambda: 1)
    queue = Queue([Recognizer(open_bundle(None))], threading.Event())
    sent = [(f"{number}.wav", streams.BytesIO(voice)) for number in range(3)]

    async def ask():
        with anyio.fail_after(30):
            return await queue.outcomes(Sender(stays=3), sent, queue.recognizer(1))

    assert [outcome.kind for outcome in anyio.run(ask)] == [""] * 3


def test_cookies_of_other_servers_do_not_lock_a_browser_out(voice):
    with serving("--token", "correct-horse") as (port, _):
        for other in ('prefs={"x":1}', "foo[bar]=1", 'theme="x', "a=b=c"):
            status, _ = post(f"http://127.0.0.1:{port}", voice, Cookie=f"{other}; ser_token=correct-horse")
            assert status == 200


@pytest.mark.parametrize("charset", ["undefined", "punycode", "nosuch"])
def test_a_form_in_an_impossible_character_set_is_refused(address, charset):
    body, kind = form([("a.wav", b"x")])
    status, answer = post(address, body, Content_Type=f"{kind}; charset={charset}")
    assert status == 415
    assert answer["error"]["kind"] == "unreadable"


def test_a_damaged_header_is_answered_in_the_shape_of_all_errors(address):
    port = int(address.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"nonsense\r\n\r\n")
        head, body = client.recv(10_000).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["error"]["kind"] == "unreadable"


# Nobody takes what is everybody's


def test_unfinished_forms_of_many_parts_stay_small():
    """Each part below the size from which a file takes it: together they must not fill the memory."""
    with serving() as (port, server):
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
        part = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(990_000) + b"\r\n"
        for client in clients:
            head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 49999999\r\n"
            client.sendall(head.encode() + b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n" + 40 * part)
        time.sleep(1)
        assert peak_megabytes(server) < 400
        for client in clients:
            client.close()


def test_an_upload_beyond_the_limit_is_refused(address):
    status, answer = post(address, bytes(50_000_001))
    assert (status, answer["error"]["kind"]) == (413, "large")


def test_a_chunked_upload_beyond_the_limit_is_refused_and_not_reset(address):
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    chunks = (bytes(1_000_000) for _ in range(80))
    connection.request("POST", "/predict", chunks, {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.load(answer)["error"]["kind"] == "large"


def bombs() -> dict[str, bytes]:
    """Small uploads that announce, or unpack to, far more than they are."""
    vorbis = bytearray(encoded(0.1 * np.random.default_rng(0).standard_normal(48000 * 5), 48000, format="OGG"))
    rate = vorbis.index((48000).to_bytes(4, "little"))
    patched = {}
    for hertz in (1, 500, 384_000, 700_000, 2**31 - 1):
        vorbis[rate : rate + 4] = hertz.to_bytes(4, "little")
        patched[f"ogg at {hertz} Hz"] = with_checksums(bytes(vorbis))
    wide = streams.BytesIO()
    with soundfile.SoundFile(wide, "w", 48000, 2, format="WAV", subtype="IMA_ADPCM") as file:
        for _ in range(600):
            file.write(np.zeros((48000 * 2, 2), np.float32))
    hours = streams.BytesIO()
    with soundfile.SoundFile(hours, "w", 8000, 1, format="FLAC") as file:
        for _ in range(36):
            file.write(np.zeros(8000 * 1000, np.int16))
    return patched | {"adpcm": wide.getvalue()[:49_000_000], "ten hours": hours.getvalue()}


def with_checksums(ogg: bytes) -> bytes:
    """Ogg pages with their checksums right again."""
    table = []
    for value in range(256):
        register = value << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
        table.append(register & 0xFFFFFFFF)
    pages, position = bytearray(ogg), 0
    while position < len(pages):
        segments = pages[position + 26]
        size = 27 + segments + sum(pages[position + 27 : position + 27 + segments])
        pages[position + 22 : position + 26] = bytes(4)
        register = 0
        for byte in pages[position : position + size]:
            register = ((register << 8) & 0xFFFFFFFF) ^ table[(register >> 24) ^ byte]
        pages[position + 22 : position + 26] = register.to_bytes(4, "little")
        position += size
    return bytes(pages)


def test_bombs_are_refused_or_answered_in_little_memory(voice):
    """Each four at once; the peak of the whole server stays below 1 GB."""
    from concurrent.futures import ThreadPoolExecutor

    with serving() as (port, server), ThreadPoolExecutor(4) as pool:
        for name, content in bombs().items():
            answers = list(pool.map(lambda body: post(f"http://127.0.0.1:{port}", body), [content] * 4))
            assert all(status in (200, 413, 415, 422) for status, _ in answers), (name, answers)
        assert post(f"http://127.0.0.1:{port}", voice)[0] == 200
        assert peak_megabytes(server) < 1000


def test_a_soak_of_twenty_seconds_is_withstood():
    """Clients, bad uploads, bombs and stalled connections at once; ``make soak`` does it for five minutes."""
    from benchmarks.soak import soak

    found = soak(20)
    wrong = {
        answer: count
        for answer, count in found["answers"].items()
        if not answer.endswith(("voice: 200", "413", "415", "422"))
        or (answer.startswith("voice") and "200" not in answer)
    }
    assert wrong == {}
    assert found["answers_per_second"] > 1
    assert found["peak_megabytes"] < 1000


def peak_megabytes(server: subprocess.Popen) -> float:
    """The most memory that the process has held, where the system tells."""
    status = Path(f"/proc/{server.pid}/status")
    return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1000 if status.exists() else 0.0


def test_stalled_connections_are_given_up(running, address, voice):
    port, server = running
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for number, client in enumerate(clients):
        client.sendall([b"", b"GET / HTTP/1.1\r\nHost: 127", b"POST /predict HTTP/1.1\r\n"][number % 3])
    assert post(address, voice)[0] == 200
    until = time.monotonic() + 30
    while time.monotonic() < until and connections(server) > 2:
        time.sleep(0.5)
    assert connections(server) <= 2
    for client in clients:
        client.close()


def connections(server: subprocess.Popen) -> int:
    return sum(connection.status == "ESTABLISHED" for connection in psutil.Process(server.pid).net_connections())


def test_broken_off_uploads_are_one_line_each():
    with serving() as (port, server):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:  # then it minds signals
            page.read()
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as client:
                head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 999999\r\n\r\n"
                client.sendall(head.encode() + bytes(100_000))
        time.sleep(1)
        server.send_signal(signal.SIGINT)
        printed = server.communicate(timeout=10)[0]
    assert "Traceback" not in printed
    assert len(printed.splitlines()) <= 22  # the address, the uploads, and that it was interrupted


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_server_ends_at_once_whatever_is_open(ending, voice):
    with serving() as (port, server):
        stalled = socket.create_connection(("127.0.0.1", port))
        stalled.sendall(f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 99999\r\n\r\n".encode())
        silent = socket.create_connection(("127.0.0.1", port))
        working = socket.create_connection(("127.0.0.1", port))
        long = encoded(np.tile(np.random.default_rng(0).standard_normal(48000) * 0.1, 590), 48000)
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(long)}\r\n\r\n"
        working.sendall(head.encode() + long[:40_000_000])
        time.sleep(1.5)
        start = time.monotonic()
        server.send_signal(ending)
        server.wait(timeout=10)
        assert time.monotonic() - start < 3
        for client in (stalled, silent, working):
            client.close()


def test_nothing_is_left_on_the_disk_even_after_a_kill(tmp_path, voice):
    """Uploads have no name: what the process held ends with it."""
    with serving(TMPDIR=str(tmp_path)) as (port, server):
        body, kind = form([("a.wav", voice + bytes(5_000_000))])
        assert post(f"http://127.0.0.1:{port}", body, Content_Type=kind)[0] in (200, 415)
        assert list(tmp_path.iterdir()) == []
        with socket.create_connection(("127.0.0.1", port)) as client:
            head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 9999999\r\n\r\n"
            client.sendall(head.encode() + bytes(3_000_000))
            time.sleep(0.5)
            server.kill()
            server.wait()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_a_server_that_answers_opens_no_connection_and_leaves_nothing_at_home(tmp_path, voice):
    calls = tmp_path / "calls"
    (tmp_path / "home").mkdir()
    port = free_port()
    traced = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", str(calls), sys.executable, "-m", "ser", "app"]
    environment = os.environ | {"HOME": str(tmp_path / "home"), "MPLCONFIGDIR": str(tmp_path / "mpl")}
    with subprocess.Popen(
        [*traced, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as server:
        try:
            wait_for(port, server)
            assert post(f"http://127.0.0.1:{port}", voice)[0] == 200
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/docs").status == 200
        finally:
            for child in psutil.Process(server.pid).children():
                child.terminate()
            server.wait(timeout=10)
    assert "AF_INET" not in calls.read_text()
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_a_public_server_answers_under_its_name_and_may_be_framed_by_one_page(voice):
    with serving("--public", "ser.example.org", "--framed-by", "https://example.com") as (port, _):
        address = f"http://127.0.0.1:{port}"
        assert post(address, voice, Host="ser.example.org")[0] == 200
        assert post(address, voice, Host="other.example.org")[0] == 421
        assert post(address, voice, Host="ser.example.org", Origin="https://example.com")[0] == 403
        headers = urllib.request.urlopen(address).headers
        assert "frame-ancestors https://example.com" in headers["content-security-policy"]
        assert headers["x-frame-options"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--public", "a.org", "--token", "12345678"), "leave out --token"),
        (("--framed-by", "https://a.org"), "goes with --public"),
    ],
)
def test_options_of_a_public_server_that_do_not_go_together(options, message, capsys):
    assert cli.main(["app", *options]) == 1
    assert message in capsys.readouterr().err


# Listening


def test_a_port_that_is_taken_or_none_is_said(address, capsys):
    taken = address.rsplit(":", 1)[1]
    assert cli.main(["app", "--port", taken]) == 1
    assert f"port {taken}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["app", "--port", "99999"])


def test_the_page_listens_on_this_machine_only_by_default():
    assert cli.build_parser().parse_args(["app"]).host == "127.0.0.1"


def test_ipv6_is_served(voice):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with serving("--host", "::1") as (port, server):
        assert post(f"http://[::1]:{port}", voice)[0] == 200
        assert f"http://[::1]:{port}/" in server.stdout.readline()


# The page


def in_a_browser(test):
    """A test that needs Chromium, and is skipped without it."""
    reason = "no Chromium: install it to test the page in a browser"
    return pytest.mark.browser(pytest.mark.skipif(CHROMIUM is None, reason=reason)(test))


@contextmanager
def browsing(address: str, *options: str, **context):
    """The page in a browser; what it says to its console, and an address that is not the server's, fail the test."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *options])
        page = browser.new_context(**context).new_page()
        page.on("response", lambda response: asked.append(response.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        yield page
        browser.close()
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)
    assert [line for line in said if "Failed to load resource" not in line] == []  # said of a refused recording


def microphone(voice: bytes, folder: Path) -> list[str]:
    """Chromium's options for a microphone that hears a recording again and again."""
    (folder / "heard.wav").write_bytes(voice)
    fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    return [*fake, f"--use-file-for-fake-audio-capture={folder / 'heard.wav'}"]


def answered(page) -> str:
    """The bars of the answer, once it is there."""
    page.wait_for_selector("#answer[aria-busy=false] #fusion span", timeout=30000)
    return page.inner_text("#fusion")


def accessible(page) -> bool:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    return True


@in_a_browser
@pytest.mark.parametrize(("width_pixels", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_browser_uploads_and_sees_the_answer(address, voice, capsys, width_pixels, scheme, tmp_path):
    long = tmp_path / "long.wav"
    samples, rate = soundfile.read(streams.BytesIO(voice))
    soundfile.write(long, np.tile(samples, 5), rate)
    assert cli.main(["predict", "--json", str(long)]) == 0
    expected = json.loads(capsys.readouterr().out)
    with browsing(address, viewport={"width": width_pixels, "height": 1000}, color_scheme=scheme) as page:
        page.set_input_files("#file", long)
        answered(page)
        assert page.inner_text("#headline") == expected["emotion"]
        columns = page.locator("#timeline button")
        assert columns.count() == len(expected["timeline"])
        columns.nth(2).click()
        page.wait_for_timeout(500)
        assert page.evaluate("player.currentTime") >= expected["timeline"][2]["start_seconds"]
        page.click("#explain")
        page.wait_for_selector("#picture:not([hidden])", timeout=60000)
        assert accessible(page)
        page.set_input_files("#file", {"name": "x.wav", "mimeType": "audio/wav", "buffer": b"no sound"})
        page.wait_for_selector("#error:not([hidden])", timeout=30000)
        assert page.inner_text("main").count("not a sound file") == 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width_pixels


def tab_to(page, selector: str) -> None:
    """Press Tab until what is chosen has the focus, and shows that it has."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("chosen => document.activeElement.matches(chosen)", selector):
            break
    else:
        pytest.fail(f"Tab does not reach {selector}")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


@in_a_browser
def test_a_browser_needs_no_mouse(address, voice, tmp_path):
    samples, rate = soundfile.read(streams.BytesIO(voice))
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 5), rate)
    with browsing(address) as page:
        tab_to(page, "[data-example=anger]")
        page.keyboard.press("Enter")
        answered(page)
        with page.expect_file_chooser() as chosen:
            page.evaluate("document.activeElement.blur()")
            tab_to(page, "#file")
            page.keyboard.press("Enter")
        chosen.value.set_files(tmp_path / "long.wav")
        page.wait_for_selector("#course:not([hidden])", timeout=30000)
        tab_to(page, "#networks summary")
        page.keyboard.press("Enter")
        assert page.is_visible("#each")
        tab_to(page, "#timeline button:nth-child(3)")
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
        assert page.evaluate("player.currentTime") > 3
        tab_to(page, "#explain")
        page.keyboard.press("Enter")
        page.wait_for_selector("#picture:not([hidden])", timeout=60000)


@in_a_browser
def test_a_browser_records_and_answers(address, voice, tmp_path):
    with browsing(address, *microphone(voice, tmp_path), permissions=["microphone"]) as page:
        page.click("#record")
        page.locator("#clock", has_text="0:02").wait_for(timeout=20000)
        page.click("#record")
        answered(page)


@in_a_browser
def test_a_browser_answers_while_somebody_speaks(address, voice, tmp_path):
    """Twice a second, less than a second behind the voice; then for the whole recording."""
    with browsing(address, *microphone(voice, tmp_path), permissions=["microphone"]) as page:
        page.click("#live")
        page.locator("#timeline button").nth(5).wait_for(timeout=20000)
        behind = float(re.search(r"([\d.]+) s of delay", page.inner_text("#course-help"))[1])
        seconds = page.inner_text("#clock")
        assert accessible(page)
        page.click("#live")
        answered(page)
        assert page.is_visible("#player")
    assert behind + 0.5 < 1  # half a second passes between two answers
    assert seconds < "0:09"


@in_a_browser
def test_a_browser_answers_several_recordings_and_gives_a_table(address, voice, tmp_path):
    for name in ("=a,1.wav", "b.wav"):
        (tmp_path / name).write_bytes(voice)
    (tmp_path / "c.wav").write_bytes(b"no sound")
    with browsing(address) as page:
        page.set_input_files("#file", sorted(tmp_path.glob("*.wav")))
        page.wait_for_selector("#batch-json:not([hidden])", timeout=30000)
        with page.expect_download() as table:
            page.click("#batch-csv")
        with page.expect_download() as rows:
            page.click("#batch-json")
        assert accessible(page)
        found = list(csv.DictReader(table.value.path().read_text(encoding="utf-8").splitlines()))
        listed = json.loads(rows.value.path().read_text(encoding="utf-8"))
    expected = post(address, voice)[1]
    assert [row["file"] for row in found] == ["'=a,1.wav", "b.wav", "c.wav"]  # no formula of a spreadsheet
    assert [row["file"] for row in listed] == ["=a,1.wav", "b.wav", "c.wav"]
    assert [row["emotion"] for row in found] == [expected["emotion"]] * 2 + [""]
    assert float(found[0]["probability"]) == pytest.approx(expected["probability"], abs=1e-4)  # answered together
    assert "not a sound file" in listed[2]["error"]


@in_a_browser
def test_of_a_folder_only_recordings_leave_the_browser(address, voice, tmp_path):
    folder = tmp_path / "folder"
    (folder / ".hidden").mkdir(parents=True)
    for name in ("a.wav", "b.WAV", ".hidden/c.wav"):
        (folder / name).write_bytes(voice)
    (folder / "letter.pdf").write_bytes(b"a private letter")
    with browsing(address) as page:
        sent = []
        page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
        page.set_input_files("#folder", folder)
        page.wait_for_selector("#batch-json:not([hidden])", timeout=30000)
        listed = [row.inner_text() for row in page.locator("#rows th").all()]
    assert sorted(listed) == ["folder/a.wav", "folder/b.WAV"]
    assert len(sent) == 2


@in_a_browser
def test_a_browser_learns_a_voice_and_forgets_it(address, voice, tmp_path):
    (tmp_path / "voice.wav").write_bytes(voice)
    with browsing(address) as page:
        page.set_input_files("#file", tmp_path / "voice.wav")
        plain = answered(page)
        page.set_input_files("#known", [tmp_path / "voice.wav", tmp_path / "voice.wav"])
        page.locator("#heard", has_text="2 clips").wait_for(timeout=30000)
        page.wait_for_timeout(1000)
        known = answered(page)
        page.click("#unlearn")
        page.wait_for_timeout(1000)
        again = answered(page)
        assert page.is_hidden("#unlearn")
        page.set_input_files("#known", tmp_path / "voice.wav")
        page.locator("#heard", has_text="from 1 clip").wait_for(timeout=30000)
        (tmp_path / "none.wav").write_bytes(bytes(60_000_000))
        page.set_input_files("#known", tmp_path / "none.wav")
        page.locator("#heard", has_text="over 50 MB").wait_for(timeout=30000)
        page.set_input_files("#known", tmp_path / "voice.wav")  # the same once more, beside the one before
        page.locator("#heard", has_text="from 2 clips").wait_for(timeout=30000)
    assert known != plain
    assert again == plain


@in_a_browser
def test_a_browser_sees_two_bundles_side_by_side(voice, tmp_path):
    """The same networks under other parameters are another bundle."""
    bundle = unpack(files("ser").joinpath("pretrained.zip").read_bytes(), name="b")
    added = ("format", "format_version", "networks", "hash")  # by pack
    about = {key: value for key, value in bundle.about.items() if key not in added} | {"temperature": 9.0}
    (tmp_path / "other.zip").write_bytes(pack(about, bundle.networks))
    with serving("--compare", str(tmp_path / "other.zip")) as (port, _):
        address = f"http://127.0.0.1:{port}"
        answers = [post(address, voice, f"/predict?bundle={number}")[1] for number in (1, 2)]
        assert answers[0]["probability"] > answers[1]["probability"]
        assert post(address, voice, "/predict?bundle=3")[0] == 404
        (tmp_path / "voice.wav").write_bytes(voice)
        with browsing(address) as page:
            page.set_input_files("#file", tmp_path / "voice.wav")
            page.wait_for_selector("#other:not([hidden])", timeout=30000)
            assert page.inner_text("#other-title").startswith("other.zip says")  # its name, and not where it lies
            assert "acted English speech (CREMA-D)" in page.inner_text("#trained")
            assert f"{answers[0]['probability']:.2f}" in page.inner_text("#fusion")
            assert f"{answers[1]['probability']:.2f}" in page.inner_text("#other-fusion")


def test_a_bundle_is_not_compared_with_itself(capsys):
    shipped = str(files("ser").joinpath("pretrained.zip"))
    assert cli.main(["app", "--model", shipped, "--compare", shipped]) == 1
    assert "name another" in capsys.readouterr().err
