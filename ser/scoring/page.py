"""The report of a training: one HTML page that needs nothing else."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from ser.audio.conditions import MICROPHONE
from ser.corpus.formats import DEMO
from ser.scoring import charts
from ser.scoring.calibration import temper
from ser.scoring.scores import actor_confusions, bootstrap, interval, recalls
from ser.scoring.tables import number, scores_rows, title_of

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --faint: #e3e7ec; --accent: 59 130 196; }
@media (prefers-color-scheme: dark) { :root { --ink: #dde3ea; --paper: #14181d; --faint: #2d343d; } }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; color: var(--ink); background: var(--paper);
       font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--faint); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; overflow-wrap: normal; text-align: right; border-bottom: 1px solid var(--faint); }
th { font-weight: 600; }
tbody th { font-weight: 400; }
th:first-child, td:first-child { text-align: left; }
.caution { border: 2px solid currentColor; padding: .5rem 1rem; font-weight: 600; }
.wide { overflow-x: auto; }
.side { display: flex; flex-wrap: wrap; gap: 1.5rem; }
.side > * { flex: 1 1 24rem; min-width: 0; }
svg { width: 100%; height: auto; max-width: 44rem; }
audio { height: 2rem; width: 14rem; }
.note { opacity: .8; font-size: .92em; }
nav a { margin-right: 1rem; color: inherit; }
"""
REFERENCES = (
    ("chance", 0.167),
    ("eGeMAPS and an SVM, published (ERTK, the Emotion Recognition ToolKit, 6 folds by speaker)", 0.54),
    ("ComParE and a linear SVM, published (ERTK)", 0.61),
    ("wav2vec (2019), published (ERTK)", 0.66),
)
MODEL_CARD = """
<p><b>Made for</b> research on acted emotional speech, and for teaching. <b>Data:</b> CREMA-D is acted: actors of one
country speak twelve sentences in six emotions, in a quiet room; its listeners agree with the intended emotion in
fewer than half of the clips when they only hear the voice.</p>
<p><b>Not for</b> decisions about people. An answer says which acted emotion a voice sounds like. It says nothing about
what a person feels, and must not be used in hiring, policing, health, schools, insurance or anywhere a person could be
harmed by it. Other languages, rooms, microphones, ages and spontaneous speech are outside what was tested.</p>
<p><b>Who is recognised worse</b> is in the table of groups: look at it before comparing people.</p>
"""


class Html(str):
    """Text that is markup already; any other is escaped."""


def table(header: list[str], rows: list[list[str]]) -> str:
    """An HTML table; a cell of ``Html`` is a whole ``td``, any other cell is text."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(f"<tr>{_row_header(first)}{''.join(map(_cell, others))}</tr>" for first, *others in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row_header(content: str) -> str:
    return content if isinstance(content, Html) else f'<th scope="row">{escape(content)}</th>'


def _cell(content: str) -> str:
    return content if isinstance(content, Html) else f"<td>{escape(content)}</td>"


def page(title: str, sections: dict[str, str]) -> str:
    """The page with its sections by heading; nothing in it is fetched from elsewhere."""
    links = "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a> ' for name in sections)
    body = "".join(f'<h2 id="{_anchor(name)}">{escape(name)}</h2>{content}' for name, content in sections.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1><nav>{links}</nav>{body}</body></html>\n"
    )


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def run_section(about: dict) -> str:
    """What was run: the bundle, the corpus and its split, seeds and versions, and what a reader must not believe.

    Parameters
    ----------
    about : the bundle's description
    """
    params, terms = about["params"], about["metrics"]["fusion"]["terms"]
    seeds = {name: block["seed"] for name, block in params.items() if isinstance(block, dict) and "seed" in block}
    rows = [
        ["bundle", about["hash"][:16]],
        [
            "corpus",
            f"{about['corpus']['name']}, {about['corpus']['clips']} clips of {about['corpus']['actors']} actors",
        ],
        ["split", terms["protocol"]],
        ["emotions", ", ".join(about["emotions"])],
        ["copies that train", ", ".join(params["training"]["copies"]) or "none"],
        ["seeds", ", ".join(f"{name} {seed}" for name, seed in seeds.items())],
        ["versions", ", ".join(f"{package} {number}" for package, number in about["versions"].items())],
    ]
    warning = (
        '<p class="caution">Synthetic: the demo corpus shows that the pipeline works. Nothing on this page is about '
        "people.</p>"
        if about["corpus"]["name"] == DEMO["name"]
        else ""
    )
    return warning + table(["of this run", ""], rows)


def scores_section(metrics: dict[str, dict], *, synthetic: bool) -> str:
    """Accuracy and UAR of every classifier on every subset; beside real speech, listeners and published lines."""
    terms = metrics["fusion"]["terms"]
    about = ", ".join(escape(f"{key}: {value}") for key, value in terms.items())
    if synthetic:
        invented = '<p class="note">The listeners of the demo corpus are invented.</p>'
        return f"<p>{about}.</p>{table(*scores_rows(metrics))}{invented}"
    lines = "; ".join(f"{escape(name)} {value}" for name, value in REFERENCES)
    return f'<p>{about}.</p>{table(*scores_rows(metrics))}<p class="note">UAR of others, on other splits: {lines}.</p>'


def curves_section(histories: dict[str, list[dict]]) -> str:
    """Accuracy and loss by epoch on training clips, altered and mixed as they are, and on validation as recorded."""
    parts = []
    for name, rows in histories.items():
        epochs = [float(row["epoch"]) for row in rows]
        best = max(rows, key=lambda row: float(row["validation_uar"]))

        def curve(column: str, epochs=epochs, rows=rows) -> tuple[list[float], list[float]]:
            return epochs, [float(row[column]) for row in rows]

        accuracy = {"training, augmented": curve("accuracy"), "validation": curve("validation_accuracy")}
        loss = {"training, augmented": curve("loss"), "validation": curve("validation_loss")}
        kept = float(best["epoch"])
        parts.append(
            f"<div><h3>{title_of(name)}</h3>"
            f"{charts.lines(accuracy, x='epoch', y='accuracy', limits=(0, 1), mark=kept)}"
            f"{charts.lines(loss, x='epoch', y='loss', mark=kept)}"
            f'<p class="note">Kept: epoch {best["epoch"]} (dotted), UAR on validation '
            f"{float(best['validation_uar']):.3f}.</p></div>"
        )
    return f'<div class="side">{"".join(parts)}</div>'


def confusion_section(counts: dict[str, NDArray[np.int64]], emotions: Sequence[str]) -> str:
    """Confusion matrices: a row an intended emotion, with its clips by the answer, shaded by their share of the row."""
    parts = []
    for name, matrix in counts.items():
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        rows = [
            [emotion, *(_shaded(count, share) for count, share in zip(own, part, strict=True))]
            for emotion, own, part in zip(emotions, matrix, shares, strict=True)
        ]
        shown = table(["intended, down; answered, across", *emotions], rows)
        parts.append(f"<div><h3>{escape(title_of(name))}</h3>{shown}</div>")
    return f'<div class="side">{"".join(parts)}</div>'


def _shaded(count: int, share: float) -> Html:
    return Html(
        f'<td style="background: rgb(var(--accent) / {share:.2f})" title="{100 * share:.0f} % of the row">{count}</td>'
    )


def recall_section(
    decided: dict[str, NDArray[np.int64]],
    actual: NDArray[np.int64],
    actors: NDArray[np.int64],
    votes: NDArray[np.int64],
    *,
    emotions: Sequence[str],
    samples: int,
    seed: int,
) -> str:
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
    return charts.points_with_intervals(list(emotions), series, x="recall on test", reference=1 / len(emotions))


def conditions_section(rows: list[dict]) -> str:
    """UAR of the bundle's answers as recorded and under each condition, and the limits that do not hold."""
    shown = [row for row in rows if row["family"] != MICROPHONE and row["uar_low"]]
    points: list[charts.Point | None] = [
        (float(row["uar"]), float(row["uar_low"]), float(row["uar_high"])) for row in shown
    ]
    if not points:
        return "<p>No clip was answered.</p>"
    names = [row["condition"] for row in shown]
    clean = float(shown[0]["uar"])
    chart = charts.points_with_intervals(names, {"fusion": points}, x="test UAR", reference=clean, inches=0.26)
    failed = [row for row in rows if row["passed"] == "False" and row["family"] != MICROPHONE]
    columns = ("condition", "change", "least_change", "unchanged", "least_unchanged")
    limits = [[row[column] for column in columns] for row in failed]
    header = ["limit not held", "change", "least change", "same answer", "least same"]
    note = (
        f'<p class="note">{rows[0]["clips"]} test clips, by the path of ser predict; intervals over actors. The dotted '
        "line is the UAR of the clips as recorded.</p>"
    )
    return chart + note + (table(header, limits) if limits else "<p>Every limit holds.</p>")


def calibration_section(
    probabilities: NDArray, actual: NDArray[np.int64], calibration: dict, coverage: list[dict]
) -> str:
    """Reliability before and after tempering, and accuracy against coverage."""
    tempered = temper(probabilities, calibration["temperature"])
    series = {"before": _reliability(probabilities, actual), "tempered": _reliability(tempered, actual)}
    test = calibration["test"]
    answered = test["answered"]
    share = "" if answered["accuracy"] is None else f", {answered['accuracy']:.0%} of them rightly"
    curve = {"test": ([row["coverage"] for row in coverage], [row["accuracy"] for row in coverage])}
    return (
        f"<p>Temperature {calibration['temperature']:.2f}. Calibration error on test "
        f"{test['before']:.3f} before, {test['after']:.3f} after. 'Not sure' below {calibration['threshold']:.2f}: "
        f"{answered['coverage']:.0%} of the test clips are answered{share}.</p>"
        f'<div class="side"><div><h3>Reliability</h3>'
        f"{charts.lines(series, x='probability of the answer', y='share of right answers', diagonal=True)}</div>"
        f"<div><h3>Coverage</h3>{charts.lines(curve, x='share of clips answered', y='accuracy')}</div></div>"
    )


def _reliability(probabilities: NDArray, actual: NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean confidence and accuracy of ten groups of equal size."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == actual
    groups = [group for group in np.array_split(np.argsort(confidence), 10) if len(group)]
    return [float(confidence[group].mean()) for group in groups], [float(correct[group].mean()) for group in groups]


def groups_section(rows: list[dict]) -> str:
    """UAR of the fusion in every group but single actors, and the actors between whom it lies."""
    chosen = [row for row in rows if row["network"] == "fusion"]
    shown = [row for row in chosen if row["group"] != "actor"]
    actors = sorted((row for row in chosen if row["group"] == "actor"), key=lambda row: float(row["uar"]))
    cells = [
        [f"{row['group'].replace('_', ' ')}: {row['value']}", row["actors"], row["clips"], number(float(row["uar"]))]
        for row in [*shown, actors[0], actors[-1]]
    ]
    note = '<p class="note">The last two rows are the actors who are recognised worst and best.</p>'
    return table(["", "actors", "clips", "UAR"], cells) + note


def wrong_section(rows: list[dict]) -> str:
    """The most confidently wrong clips, to listen to."""
    cells = []
    for row in rows:
        sound = base64.b64encode(row["flac"]).decode()
        name = escape(row["clip"], quote=True)
        source = f'aria-label="{name}" src="data:audio/flac;base64,{sound}"'
        player = Html(f'<td><audio controls preload="none" {source}></audio></td>')
        probability = f"{row['probability']:.2f}"
        cells.append([row["clip"], row["intended"], row["answered"], probability, row["heard"], player])
    return table(["clip", "intended", "answered", "probability", "what listeners heard", ""], cells)


def data_section(about: dict, subsets: dict[str, dict[str, int]], rejected: list[dict]) -> str:
    """What was trained and tested on, and what was left out."""
    rows = [[name, str(counts["actors"]), str(counts["clips"])] for name, counts in subsets.items()]
    left = f"<p>{len(rejected)} clips were not used.</p>" if rejected else ""
    reasons = table(["file", "reason"], [[row["file"], row["reason"]] for row in rejected[:30]]) if rejected else ""
    shown = table(["", "actors", "clips"], rows)
    return f"<p>{escape(about['name'])}: {escape(about['licence'])}.</p>{shown}{left}{reasons}"
