"""The report: a page that needs nothing else, with what was measured in it."""

import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import CHROMIUM

from ser import artifacts
from ser.answers.importance import family_importance
from ser.emotions import EMOTIONS
from ser.scoring import charts
from ser.scoring import page as report
from studies.tables import number


class Reader(HTMLParser):
    """Text of a page, and every address that it names outside of links."""

    def __init__(self):
        super().__init__()
        self.text, self.sources, self.audio = "", [], 0

    def handle_starttag(self, tag, attributes):
        self.audio += tag == "audio"
        self.sources += [value for name, value in attributes if name in ("src", "xlink:href") and value]
        self.sources += [value for name, value in attributes if tag == "link" and name == "href"]

    def handle_data(self, data):
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_importance_is_that_of_the_family_that_matters(rng):
    """A network that reads the energy alone: its exchange costs everything, that of the others nothing."""
    labels = np.tile(np.arange(6), 20)
    frames = rng.uniform(size=(120, 5, 3)).astype(np.float32)
    frames[:, :, 0] = labels[:, None]

    def probabilities_of(name, given):
        return np.eye(6)[given[:, 0, 0].round().astype(int)]

    families = ["energy", "rmse", "zero_crossing_rate"]
    params = SimpleNamespace(features_1d=SimpleNamespace(n_mels=4, n_mfcc=4))
    recognizer = SimpleNamespace(
        emotions=EMOTIONS,
        params=params,
        networks={"cnn1d": SimpleNamespace(columns=families)},
        columns={"cnn1d": [0, 1, 2]},
        probabilities_of=probabilities_of,
    )
    falls = family_importance(recognizer, "cnn1d", frames, labels, rng=rng)
    assert falls["energy"] == pytest.approx(1 - 1 / 6, abs=0.15)
    assert falls["rmse"] == falls["zero_crossing_rate"] == 0


def test_charts_take_the_page_s_colours_and_are_the_same_each_time():
    first, second = (charts.bars({"a": 0.5, "b": -0.1}, x="fall") for _ in range(2))
    assert first == second
    assert "currentColor" in first
    assert charts.INK not in first
    assert first.startswith("<svg role")


def test_text_from_outside_cannot_become_markup():
    page = report.page("<script>", {"A & B": report.table(["<b>"], [["a & b", "x < y"]])})
    assert "<script>" not in page
    assert "x &lt; y" in page
    wrong = {"clip": "<i>", "intended": "", "answered": "", "probability": 1.0, "heard": "", "flac": b""}
    assert "&lt;i&gt;" in report.wrong_section([wrong])


def test_recall_without_listeners_is_drawn_without_them(rng):
    actual, actors = np.tile(np.arange(6), 10), np.repeat(np.arange(10), 6)
    given = {"cnn1d": rng.integers(0, 6, 60)}
    for votes in (np.zeros((60, 6), int), np.eye(6, dtype=int)[actual]):
        chart = report.recall_section(given, actual, actors, votes, emotions=EMOTIONS, samples=50, seed=0)
        assert ("a listener" in chart) == votes.any()


def test_every_table_and_chart_says_what_it_is():
    shown = report.confusion_section({"cnn1d": np.eye(6, dtype=int)}, EMOTIONS)
    assert shown.count('scope="col"') == 7
    assert shown.count('scope="row"') == 6
    assert ">1</td>" in shown
    rows = [
        {"epoch": str(epoch), "loss": "1", "accuracy": ".5", "validation_loss": "1"}
        | {"validation_accuracy": ".4", "validation_uar": str(0.1 * epoch % 0.3)}
        for epoch in range(1, 5)
    ]
    curves = report.curves_section({"cnn1d": rows})
    assert "Kept: epoch 2 (dotted)" in curves
    assert re.findall('aria-label="([^"]*)"', curves) == [
        "accuracy by epoch: training, augmented, validation",
        "loss by epoch: training, augmented, validation",
    ]


@pytest.mark.pipeline
def test_the_page_holds_what_the_metrics_hold_and_asks_for_nothing(finished):
    page = (finished.folder / "metrics" / "report.html").read_text(encoding="utf-8")
    reader = read(page)
    metrics = artifacts.read_json(finished.folder / "metrics" / "fusion.json")
    for value in (metrics["test"]["uar"], metrics["validation"]["uar"], metrics["train_minus_test_accuracy"]):
        assert number(value) in reader.text
    predictions = artifacts.read_parquet(finished.folder / "data" / "predictions.parquet")
    tested = predictions[predictions["subset"] == "test"]
    answered = tested[[f"fusion_{emotion}" for emotion in EMOTIONS]].to_numpy().argmax(axis=1)
    wrong = int((np.array([EMOTIONS.index(e) for e in tested["emotion"]]) != answered).sum())
    assert reader.audio == min(20, wrong)
    assert all(source.startswith(("data:", "#")) for source in reader.sources)
    assert not re.search(r"@import|url\(http", page)
    assert "Synthetic: the demo corpus" in reader.text
    assert "eGeMAPS" not in reader.text
    for heading in (
        "This run",
        "Scores",
        "Learning curves",
        "Confusion",
        "Recall",
        "Groups",
        "Calibration",
        "Model card",
    ):
        assert heading in reader.text


@pytest.mark.pipeline
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install it to look at the page in a browser")
@pytest.mark.parametrize(("width_pixels", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_and_is_readable_in_a_browser(finished, tmp_path, width_pixels, scheme):
    from playwright.sync_api import sync_playwright

    shutil.copy(finished.folder / "metrics" / "report.html", tmp_path / "report.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width_pixels, "height": 900}, color_scheme=scheme)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{tmp_path}/report.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= width_pixels
        ink, paper = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        browser.close()
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for colour in (ink, paper)]
    assert abs(light[0] - light[1]) > 150
    assert (light[0] > light[1]) == (scheme == "dark")
    assert all(url.startswith(("file:", "data:")) for url in asked)
