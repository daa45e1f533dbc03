"""The page, in a real browser where there is one, and the HTTP interface with a real client."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from conftest import free_port

from ser import cli

pytest.importorskip("gradio")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS_TO_START = 90


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A page that serves the networks of the package on a free port of the loopback address."""
    port = free_port()
    command = [sys.executable, "-m", "ser", "app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            wait_for(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(port: int, server: subprocess.Popen) -> None:
    limit = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < limit:
        assert server.poll() is None, server.stdout.read()
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail(f"the page did not start in {SECONDS_TO_START} s")


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> str:
    """A synthetic voice."""
    from ser.app import examples

    return examples()[0]


def post(address: str, content: bytes) -> tuple[int, dict]:
    """Status and answer of the interface."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{address}/predict", content), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_the_interface_answers_as_the_command_does(address, example, capsys):
    with open(example, "rb") as file:
        status, answer = post(address, file.read())
    assert cli.main(["predict", "--json", example]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert status == 200
    assert answer | {"file": ""} == printed | {"file": ""}


def test_a_form_is_refused_with_what_to_send_instead(address):
    form = urllib.request.Request(f"{address}/predict", b"--x", {"Content-Type": "multipart/form-data; boundary=x"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(form, timeout=60)
    assert refused.value.code == 415
    assert "--data-binary" in json.load(refused.value)["error"]["message"]


def encoded(samples: np.ndarray, sample_rate: int, folder) -> bytes:
    soundfile.write(folder / "a.flac", samples, sample_rate)
    return (folder / "a.flac").read_bytes()


def test_the_interface_refuses_with_kind_and_status(address, tmp_path):
    given = {
        (415, "unreadable"): b"not a sound",
        (422, "short"): encoded(np.full(1000, 0.1), 16000, tmp_path),
        (422, "silent"): encoded(np.zeros(32000), 16000, tmp_path),
        (413, "large"): encoded(np.zeros(601 * 8000), 8000, tmp_path),
    }
    for (status, kind), content in given.items():
        found, answer = post(address, content)
        assert (found, answer["error"]["kind"]) == (status, kind)
        assert answer["error"]["message"]


def test_an_upload_beyond_the_limit_is_refused(address):
    status, answer = post(address, bytes(50_000_001))
    assert (status, answer["error"]["kind"]) == (413, "large")


def test_a_port_that_is_taken_or_none_is_said(address, capsys):
    taken = address.rsplit(":", 1)[1]
    assert cli.main(["app", "--port", taken]) == 1
    assert f"port {taken}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["app", "--port", "99999"])


def test_the_page_listens_on_this_machine_alone_by_default():
    assert cli.build_parser().parse_args(["app"]).host == "127.0.0.1"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install it to test the page in a browser")
@pytest.mark.parametrize("width_pixels", [1280, 390])
def test_a_browser_uploads_and_sees_the_answer_and_asks_nobody_else(address, example, capsys, width_pixels):
    from playwright.sync_api import sync_playwright

    assert cli.main(["predict", "--json", example]) == 0
    expected = json.loads(capsys.readouterr().out)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width_pixels, "height": 1000})
        addresses: list[str] = []
        page.on("response", lambda response: addresses.append(response.url))
        page.goto(address)
        page.set_input_files("input[type=file]", example)
        page.get_by_label("Play", exact=False).first.wait_for(timeout=30000)
        page.click("#answer")
        page.wait_for_selector("#picture img", timeout=60000)
        assert page.inner_text("#headline").strip().split(" (")[0] == expected["emotion"]
        assert "CNN1D" in page.content()
        assert page.evaluate("document.documentElement.scrollWidth") <= width_pixels
        browser.close()
    assert all(url.startswith((address, "data:", "blob:")) for url in addresses)
