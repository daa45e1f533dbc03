"""The report: a page that needs nothing else, with what was measured in it."""

import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest
from helpers import CHROMIUM

from ser import artifacts
from ser.answers.importance import family_importance
from ser.emotions import EMOTIONS
from ser.report import charts
from ser.report import page as report
from ser.scoring.metrics import group_rows
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
    assert "currentColor" in first.svg
    assert charts.INK not in first.svg
    assert first.svg.startswith("<svg role")


def test_a_chart_says_its_values_under_the_pointer_and_gives_them_away():
    chart = charts.lines({"one": ([1.0, 2.0], [0.25, 0.5]), "<two>": ([1.0], [0.125])}, x="epoch", y="loss")
    titles = re.findall("<use [^>]*><title>([^<]*)</title></use>", chart.svg)
    assert titles == ["one: epoch 1, loss 0.250", "one: epoch 2, loss 0.500", "&lt;two&gt;: epoch 1, loss 0.125"]
    given = unquote(chart.data.removeprefix("data:text/csv;charset=utf-8,"))
    assert given == "line,epoch,loss\none,1.0,0.25\none,2.0,0.5\n<two>,1.0,0.125\n"
    gaps = charts.lines({"a\\d": ([1.0, 2.0], [0.5, np.nan]), "b": ([1.0], [0.25])}, x="epoch", y="loss")
    assert re.findall("<title>([^<]*)</title>", gaps.svg) == ["a\\d: epoch 1, loss 0.500", "b: epoch 1, loss 0.250"]
    points = {"nothing": [None, None], "a": [(0.5, 0.4, 0.6), None], "b": [(0.1, 0.0, 0.2), (0.9, 0.8, 1.0)]}
    chart = charts.points_with_intervals(["x", "y"], points, x="UAR", reference=0.2)
    titles = re.findall("<use [^>]*><title>([^<]*)</title></use>", chart.svg)
    assert titles == ["x, a: 0.500 (0.400 to 0.600)", "x, b: 0.100 (0.000 to 0.200)", "y, b: 0.900 (0.800 to 1.000)"]
    assert len(chart.rows) == 3
    chart = charts.bars({"<pitch>": 0.25, "energy": -0.125}, x="fall")
    assert re.findall("<title>([^<]*)</title>", chart.svg) == ["fall, &lt;pitch&gt; +0.250", "fall, energy -0.125"]
    picture = np.zeros((48, 32), np.float32)
    picture[12:14, 4:6] = 0.5
    chart = charts.maps({"anger": picture, "fear": -picture[:10, :3]}, seconds=2.4)
    titles = re.findall("<title>([^<]*)</title>", chart.svg)
    assert titles[0] == "anger: most at 0.6 to 0.7 s, mel bands 4 to 5, +0.500"
    assert len(chart.rows) == 24 * 16 + 10 * 3
    assert sum(row[-1] for row in chart.rows if row[0] == "anger") == 0.5


def shown(*blocks: report.Block) -> str:
    """A page of one section."""
    return report.page("title", {"Section": blocks})


def test_text_from_outside_cannot_become_markup():
    page = report.page("<script>", {"A & B": [report.Table("<i>", ["<b>"], [["a & b", "x < y"]])]})
    assert not re.search("<(script|b|i)>", page)
    assert "x &lt; y" in page
    wrong = {"clip": "<i>", "intended": "", "answered": "", "probability": 1.0, "heard": "", "flac": b""}
    page = shown(*report.wrong_section([wrong]))
    assert 'aria-label="&lt;i&gt;"' in page
    assert "<i>" not in page


def test_other_corpora_are_shown_where_one_was_scored():
    scores = {"uar": 0.5, "uar_low": 0.4, "uar_high": 0.6, "emotions": EMOTIONS}
    found = {"ravdess": {"corpus": "RAVDESS", "profiles": {"none": scores, "4": scores | {"uar": 0.55}}}}
    page = shown(*report.corpora_section(found))
    assert "profile: 4, RAVDESS: 0.550 (0.400 to 0.600)" in page
    assert report.corpora_section({}) == []


def test_groups_have_intervals_where_several_actors_are_in_them(rng):
    actual, actors = np.tile(np.arange(6), 20), np.repeat(np.arange(10), 12)
    groups = {"sex": np.where(actors < 7, "female", "male"), "actor": actors.astype(str)}
    rows = group_rows("fusion", np.eye(6)[rng.integers(0, 6, 120)], actual, groups, actors, samples=200, seed=0)
    by_name = {row["value"]: row for row in rows}
    assert by_name["female"]["uar_low"] < by_name["female"]["uar"] < by_name["female"]["uar_high"]
    assert by_name["male"]["uar_low"] is None  # three actors
    page = shown(*report.groups_section([{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]))
    assert f"{by_name['female']['uar_low']:.3f} to {by_name['female']['uar_high']:.3f}" in page


def test_recall_without_listeners_is_drawn_without_them(rng):
    actual, actors = np.tile(np.arange(6), 10), np.repeat(np.arange(10), 6)
    given = {"cnn1d": rng.integers(0, 6, 60)}
    for votes in (np.zeros((60, 6), int), np.eye(6, dtype=int)[actual]):
        blocks = report.recall_section(given, actual, actors, votes, emotions=EMOTIONS, samples=50, seed=0)
        assert ("a listener" in shown(*blocks)) == votes.any()


def test_every_table_and_chart_says_what_it_is():
    page = shown(*report.confusion_section({"cnn1d": np.eye(6, dtype=int)}, EMOTIONS))
    assert page.count('scope="col"') == 7
    assert page.count('scope="row"') == 6
    assert 'title="100% of the row">1</td>' in page
    assert ">answered</th>" in page
    rows = [
        {"epoch": str(epoch), "loss": "1", "uar": ".5", "validation_loss": "1"}
        | {"validation_accuracy": ".4", "validation_uar": str(0.1 * epoch % 0.3)}
        for epoch in range(1, 5)
    ]
    curves = shown(*report.curves_section({"cnn1d": rows}))
    assert "Kept: epoch 2 (dotted)" in curves
    assert re.findall('<svg role="img" aria-label="([^"]*)"', curves) == [
        "UAR by epoch: training, augmented, validation",
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
    assert "Other corpora" not in reader.text  # no corpus was scored with this bundle
    commit = finished.run("git", "log", "-1", "--format=%h of %cs", "--", "ser", "stages", "params.yaml").stdout.strip()
    assert commit in reader.text
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
    from axe_playwright_python.sync_playwright import Axe
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
        found = Axe().run(page)
        browser.close()
    assert found.violations_count == 0, found.generate_report()
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for colour in (ink, paper)]
    assert abs(light[0] - light[1]) > 150
    assert (light[0] > light[1]) == (scheme == "dark")
    assert all(url.startswith(("file:", "data:")) for url in asked)
