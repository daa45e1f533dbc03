"""The report of a training: what each section says. How it looks is ``page.html``, which escapes all text."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from ser.audio.conditions import ENROLMENT, MICROPHONE
from ser.corpus.formats import DEMO
from ser.report import charts
from ser.scoring.calibration import temper
from ser.scoring.scores import actor_confusions, bootstrap, interval, recalls
from ser.scoring.tables import number, scores_rows, title_of

REFERENCES = (
    ("eGeMAPS and an SVM, published (ERTK, the Emotion Recognition ToolKit, 6 folds by speaker)", 0.54),
    ("ComParE and a linear SVM, published (ERTK)", 0.61),
    ("wav2vec (2019), published (ERTK)", 0.66),
)
CREMA_D = "CREMA-D"
CREMA_D_CARD = (
    "CREMA-D is acted: actors of one country speak twelve sentences in six emotions, in a quiet room; its listeners "
    "agree with the intended emotion in fewer than half of the clips when they only hear the voice."
)
MODEL_CARD = (
    "Made for research on emotional speech, and for teaching.",
    "Not for decisions about people. An answer says which emotion a voice sounds like. It says nothing about "
    "what a person feels, and must not be used in hiring, policing, health, schools, insurance or anywhere a person "
    "could be harmed by it. Other languages, rooms, microphones, ages and spontaneous speech are outside what was "
    "tested.",
    "Who is recognised worse is in the table of groups: look at it before comparing people.",
)


@dataclass(frozen=True)
class Text:
    """A paragraph; its role is that of ``page.css``: ``"note"``, ``"caution"`` or none."""

    kind: ClassVar = "text"
    text: str
    role: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell that is more than its text: shaded by a share from 0 to 1, or a player of a sound."""

    text: str
    share: float | None = None
    title: str = ""
    audio: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Attributes
    ----------
    above : a heading over all columns but the first
    words : whether it holds words rather than numbers
    """

    kind: ClassVar = "table"
    label: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    above: str = ""
    words: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart; its name is that of the file of its values."""

    kind: ClassVar = "chart"
    name: str
    chart: charts.Chart


@dataclass(frozen=True)
class Side:
    """Parts that stand side by side where there is room, by their titles."""

    kind: ClassVar = "side"
    parts: Mapping[str, Sequence["Block"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Details:
    """A long text that is shown when it is asked for."""

    kind: ClassVar = "details"
    title: str
    text: str


Block = Text | Table | Figure | Side | Details


def page(title: str, sections: Mapping[str, Sequence[Block]]) -> str:
    """The page with its sections by heading; nothing in it is fetched from elsewhere."""
    environment = Environment(
        loader=PackageLoader("ser.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["anchor"] = lambda name: name.lower().replace(" ", "-")
    return environment.get_template("page.html").render(title=title, sections=sections)


def run_section(about: dict, code: str) -> list[Block]:
    """What was run: code, bundle, corpus and split, parameters, seeds, versions; and what must not be believed.

    Parameters
    ----------
    about : the bundle's description
    code : the commit that the code and the parameters are of, and its date
    """
    params, terms = about["params"], about["metrics"]["fusion"]["terms"]
    seeds = {name: block["seed"] for name, block in params.items() if isinstance(block, dict) and "seed" in block}
    epochs = {name: block["epochs"] for name, block in params.items() if isinstance(block, dict) and "epochs" in block}
    corpus = about["corpus"]
    rows = [
        ["code", code],
        ["bundle", about["hash"][:16]],
        ["corpus", f"{corpus['name']}, {corpus['clips']} clips of {corpus['actors']} actors"],
        ["its folder", params["corpus"]["dir"]],
        ["split", terms["protocol"]],
        ["emotions", ", ".join(about["emotions"])],
        ["copies that train", ", ".join(params["training"]["copies"]) or "none"],
        ["epochs", _listed(epochs)],
        ["seeds", _listed(seeds)],
        ["versions", _listed(about["versions"])],
    ]
    warning = Text(
        "Synthetic: the demo corpus shows that the pipeline works. Nothing on this page is about people.", "caution"
    )
    return [
        *([warning] if corpus["name"] == DEMO["name"] else []),
        Table("This run", ["", "of this run"], rows, words=True),
        Details("All parameters", json.dumps(params, indent=1)),
    ]


def _listed(values: Mapping) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def scores_section(metrics: dict[str, dict], *, corpus: str) -> list[Block]:
    """Accuracy and UAR of every classifier on every subset; beside CREMA-D, published lines.

    Parameters
    ----------
    corpus : its name
    """
    about = ", ".join(f"{key}: {value}" for key, value in metrics["fusion"]["terms"].items())
    chance = f"Chance has a UAR of {1 / len(metrics['fusion']['test']['recall']):.3f}."
    lines = "; ".join(f"{name} {value}" for name, value in REFERENCES)
    notes = [chance]
    if corpus == DEMO["name"]:
        notes.append("The listeners of the demo corpus are invented.")
    if corpus.startswith(CREMA_D):
        notes.append(f"UAR of others, on other splits: {lines}.")
    uar = "UAR, unweighted average recall: the mean over the emotions of the share that is recognised."
    return [Text(f"{about}. {uar}"), Table("Scores", *scores_rows(metrics)), Text(" ".join(notes), "note")]


def curves_section(histories: dict[str, list[dict]]) -> list[Block]:
    """UAR and loss by epoch on training clips, altered and mixed as they are, and on validation as recorded."""
    parts: dict[str, list[Block]] = {}
    for name, rows in histories.items():
        epochs = [float(row["epoch"]) for row in rows]
        best = max(rows, key=lambda row: float(row["validation_uar"]))
        kept = float(best["epoch"])

        def curve(column: str, epochs=epochs, rows=rows) -> tuple[list[float], list[float]]:
            return epochs, [float(row[column]) for row in rows]

        uar = {"training, augmented": curve("uar"), "validation": curve("validation_uar")}
        loss = {"training, augmented": curve("loss"), "validation": curve("validation_loss")}
        parts[title_of(name)] = [
            Figure(f"uar-{name}", charts.lines(uar, x="epoch", y="UAR", limits=(0, 1), mark=kept)),
            Figure(f"loss-{name}", charts.lines(loss, x="epoch", y="loss", mark=kept)),
            Text(
                f"Kept: epoch {best['epoch']} (dotted), UAR on validation {float(best['validation_uar']):.3f}.", "note"
            ),
        ]
    return [Side(parts)]


def confusion_section(counts: dict[str, NDArray[np.int64]], emotions: Sequence[str]) -> list[Block]:
    """Confusion matrices: a row an intended emotion, with its clips by the answer, shaded by their share of the row."""
    parts: dict[str, list[Block]] = {}
    for name, matrix in counts.items():
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        rows: list[list[str | Cell]] = []
        for emotion, own, part in zip(emotions, matrix, shares, strict=True):
            cells = [(str(count), float(share)) for count, share in zip(own, part, strict=True)]
            rows.append([emotion, *(Cell(text, share, f"{share:.0%} of the row") for text, share in cells)])
        title = title_of(name)
        parts[title] = [Table(f"Confusion of {title}", ["intended", *emotions], rows, above="answered")]
    return [Side(parts)]


def recall_section(
    decided: dict[str, NDArray[np.int64]],
    actual: NDArray[np.int64],
    actors: NDArray[np.int64],
    votes: NDArray[np.int64],
    *,
    emotions: Sequence[str],
    samples: int,
    seed: int,
) -> list[Block]:
    """Recall of each emotion with its interval over actors, beside the listeners' votes for it."""
    series: dict[str, list] = {}
    for name, predicted in decided.items():
        counts = actor_confusions(actual, predicted, actors, len(emotions))
        drawn = recalls(bootstrap(counts, samples=samples, rng=np.random.default_rng(seed)))
        values = recalls(counts.sum(axis=0))
        series[title_of(name)] = [
            None if np.isnan(values[row]) else (values[row], *interval(drawn[:, row])) for row in range(len(emotions))
        ]
    heard = votes.sum(axis=1) > 0
    if heard.any():
        shares = votes[heard] / votes[heard].sum(axis=1, keepdims=True)
        of = actual[heard]
        means = [shares[of == row, row].mean() if (of == row).any() else None for row in range(len(emotions))]
        series["a listener"] = [None if mean is None else (mean, mean, mean) for mean in means]
    chart = charts.points_with_intervals(list(emotions), series, x="recall on test", reference=1 / len(emotions))
    return [Figure("recall", chart), Text("The dotted line is chance; intervals are of 95 % over actors.", "note")]


def conditions_section(rows: list[dict]) -> list[Block]:
    """UAR of the bundle's answers as recorded and under each condition, the limits that do not hold, and profiles."""
    shown = [row for row in rows if row["family"] not in (MICROPHONE, ENROLMENT) and row["uar_low"]]
    points: list[charts.Point | None] = [
        (float(row["uar"]), float(row["uar_low"]), float(row["uar_high"])) for row in shown
    ]
    if not points:
        return [Text("No clip was answered.")]
    names = [row["condition"] for row in shown]
    clean = float(shown[0]["uar"])
    chart = charts.points_with_intervals(names, {"fusion": points}, x="test UAR", reference=clean, inches=0.26)
    failed = [row for row in rows if row["passed"] == "False" and row["family"] != MICROPHONE]
    columns = ("change", "least_change", "unchanged", "least_unchanged")
    limits = [[row["condition"], *(_shown(row[column], column) for column in columns)] for row in failed]
    header = ["limit not held", "change of UAR", "least change", "same answer", "least same"]
    note = (
        f"{rows[0]['clips']} test clips, by the path of ser predict; intervals of 95 % over actors. The dotted line is "
        f"the UAR of the clips as recorded."
    )
    held = Table("Limits that do not hold", header, limits) if limits else Text("Every limit holds.")
    enrolled = [row for row in rows if row["family"] in ("", ENROLMENT) and row["profile_uar"]]
    known = [[row["condition"], f"{float(row['uar']):.3f}", *_with_profile(row)] for row in enrolled]
    profiles = Table("With a profile", ["enrolment", "UAR without", "UAR with", "gain"], known)
    return [Figure("conditions", chart), Text(note, "note"), held, *([profiles] if known else [])]


def _with_profile(row: dict) -> list[str]:
    return [f"{float(row['profile_uar']):.3f}", f"{float(row['profile_gain']):+.3f}"]


def _shown(value: str, column: str) -> str:
    """A figure of a condition: a change of UAR, or a share of answers."""
    if not value:
        return ""
    return f"{float(value):+.3f}" if column.endswith("change") else f"{float(value):.0%}"


def corpora_section(found: dict[str, dict]) -> list[Block]:
    """UAR on other corpora, by how many clips of the speaker are known; nothing where no corpus was scored.

    Parameters
    ----------
    found : of each corpus, what ``python -m studies.corpora`` wrote
    """
    if not found:
        return []
    profiles = list(dict.fromkeys(profile for one in found.values() for profile in one["profiles"]))
    series: dict[str, list[charts.Point | None]] = {
        one["corpus"]: [
            (scores["uar"], scores["uar_low"], scores["uar_high"]) if scores else None
            for scores in (one["profiles"].get(profile) for profile in profiles)
        ]
        for one in found.values()
    }
    emotions = max(len(scores["emotions"]) for one in found.values() for scores in one["profiles"].values())
    names = [f"profile: {profile}" for profile in profiles]
    chart = charts.points_with_intervals(names, series, x="UAR", reference=1 / emotions, inches=0.4)
    return [
        Figure("corpora", chart),
        Text("Nobody in them was heard in training. A profile is of some of each speaker's clips, unlabelled.", "note"),
    ]


def calibration_section(
    probabilities: NDArray, actual: NDArray[np.int64], calibration: dict, coverage: list[dict]
) -> list[Block]:
    """Reliability before and after tempering, and accuracy against coverage."""
    tempered = temper(probabilities, calibration["temperature"])
    series = {"before": _reliability(probabilities, actual), "tempered": _reliability(tempered, actual)}
    test = calibration["test"]
    answered = test["answered"]
    share = "" if answered["accuracy"] is None else f", {answered['accuracy']:.0%} of them rightly"
    curve = {"test": ([row["coverage"] for row in coverage], [row["accuracy"] for row in coverage])}
    said = (
        f"Temperature {calibration['temperature']:.2f}. Calibration error on test {test['before']:.3f} before, "
        f"{test['after']:.3f} after. 'Not sure' below {calibration['threshold']:.2f}: {answered['coverage']:.0%} of "
        f"the test clips are answered{share}."
    )
    reliability = charts.lines(series, x="probability of the answer", y="share of right answers", diagonal=True)
    shown = charts.lines(curve, x="share of clips answered", y="accuracy")
    return [
        Text(said),
        Side({"Reliability": [Figure("reliability", reliability)], "Coverage": [Figure("coverage", shown)]}),
    ]


def _reliability(probabilities: NDArray, actual: NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean confidence and accuracy of ten groups of equal size."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == actual
    groups = [group for group in np.array_split(np.argsort(confidence), 10) if len(group)]
    return [float(confidence[group].mean()) for group in groups], [float(correct[group].mean()) for group in groups]


def groups_section(rows: list[dict]) -> list[Block]:
    """UAR of the fusion in every group but single actors, and the actors between whom it lies."""
    chosen = [row for row in rows if row["network"] == "fusion"]
    shown = [row for row in chosen if row["group"] != "actor"]
    actors = sorted((row for row in chosen if row["group"] == "actor"), key=lambda row: float(row["uar"]))

    def cells(row: dict) -> list[str]:
        spread = f"{float(row['uar_low']):.3f} to {float(row['uar_high']):.3f}" if row["uar_low"] else ""
        named = f"{row['group'].replace('_', ' ')}: {row['value']}"
        return [named, row["actors"], row["clips"], number(float(row["uar"])), spread]

    listed = [cells(row) for row in [*shown, actors[0], actors[-1]]]
    note = "The last two rows are the actors who are recognised worst and best; one actor has no interval over actors."
    return [Table("Groups", ["", "actors", "clips", "UAR", "95 % over actors"], listed), Text(note, "note")]


def rested_section(falls: dict[str, dict[str, float]]) -> list[Block]:
    """By how much the test UAR of each network falls when a family of features is exchanged between clips."""
    parts: dict[str, list[Block]] = {
        title_of(network): [Figure(f"importance-{network}", charts.bars(own, x="fall of the test UAR"))]
        for network, own in falls.items()
    }
    return [Side(parts)]


def looked_section(pictures: dict[str, dict[str, NDArray]], *, seconds: float, clips: int) -> list[Block]:
    """What each emotion's answer rests on in time and frequency, a mean over some clips."""
    parts: dict[str, list[Block]] = {
        title_of(network): [Figure(f"maps-{network}", charts.maps(own, seconds=seconds))]
        for network, own in pictures.items()
    }
    note = (
        f"Mean over up to {clips} test clips of each emotion of how far its probability falls when a part is hidden; "
        f"red: the answer rests on it."
    )
    return [Side(parts), Text(note, "note")]


def wrong_section(rows: list[dict]) -> list[Block]:
    """The most confidently wrong clips, to listen to."""
    cells = []
    for row in rows:
        sound = Cell(row["clip"], audio=f"data:audio/flac;base64,{base64.b64encode(row['flac']).decode()}")
        cells.append([row["clip"], row["intended"], row["answered"], f"{row['probability']:.2f}", row["heard"], sound])
    header = ["clip", "intended", "answered", "probability", "what listeners heard", "listen"]
    return [Table("Confidently wrong", header, cells, words=True)]


def data_section(about: dict, subsets: dict[str, dict[str, int]], rejected: list[dict]) -> list[Block]:
    """What was trained and tested on, and what was left out."""
    rows = [[name, str(counts["actors"]), str(counts["clips"])] for name, counts in subsets.items()]
    blocks: list[Block] = [Text(f"{about['name']}: {about['licence']}."), Table("Data", ["", "actors", "clips"], rows)]
    if rejected:
        reasons = [[row["file"], row["reason"]] for row in rejected[:30]]
        blocks += [
            Text(f"{len(rejected)} clips were not used."),
            Table("Not used", ["file", "reason"], reasons, words=True),
        ]
    return blocks


def card_section(corpus: str) -> list[Block]:
    """What the networks are for, and what they must not be used for."""
    about = (CREMA_D_CARD,) if corpus.startswith(CREMA_D) else ()
    return [Text(text) for text in (*about, *MODEL_CARD)]
