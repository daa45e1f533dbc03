"""Results as Markdown tables, from what cross-validation and the ablation wrote."""

import re

from ser.audio.conditions import ENROLMENT, MICROPHONE
from ser.errors import InputError
from ser.scoring.scores import BASELINE, FUSION
from ser.scoring.tables import interval_text, markdown, number, title_of
from studies.plan import NETWORKS

TOGETHER = (*NETWORKS, FUSION)
CLASSIFIERS = (*TOGETHER, BASELINE)
GROUP_TITLES = {"sex": "sex", "age_band": "age", "race": "race"}


YARDSTICKS = {"eGeMAPSv02": "eGeMAPS, SVM", "ComParE_2016": "ComParE, SVM"}
WAYS = {"as they are": "", "by speaker": ", z-scored over all clips of the speaker"}
OWN_DEVICES = "own gain and microphone"  # of each clip; see ``studies.corpora``
SHORT_CONDITIONS = (
    "as recorded",
    "a gain of its own, within 20 dB",
    "automatic gain control",
    "white noise, 20 dB",
    "babble, 10 dB",
    "room, 0.8 s",
    "telephone",
    "MP3, lowest rate",
    "mean of 30 microphones",
    "profile of 1 clip",
    "profile of neutral only",
    "profile by another microphone",
    "profile with a quarter of another speaker",
)


def headline_table(folds: dict, elsewhere: dict, yardsticks: dict | None) -> str:
    """UAR on the five folds and on another corpus, by what is known of the speaker; beside it what others reach.

    Parameters
    ----------
    yardsticks : see ``studies.yardsticks``; ``None`` where they were not measured
    """
    known = {
        "both networks; nothing is known": "none",
        "4 clips of the voice, unlabelled": "4",
        "16 clips": "16",
        "all other clips (RAVDESS: the asked one as well)": "all",
    }
    there = {"all": "all, the asked one as well"}

    def of_folds(profile: str, name: str) -> dict | None:
        if profile == "none":
            return folds["pooled"]["scores"][name]
        return folds.get("profiles", {}).get(profile, {}).get(name)

    def shown(found: dict | None) -> str:
        return f"{number(found['uar'])} ({interval_text(found)})" if found else ""

    rows = []
    for title, profile in known.items():
        other, moved = (elsewhere[kind].get(there.get(profile, profile)) for kind in ("profiles", OWN_DEVICES))
        alone = (number((of_folds(profile, name) or {}).get("uar")) for name in NETWORKS)
        rows.append([title, shown(of_folds(profile, FUSION)), shown(other), shown(moved), *alone])
    for name, title in YARDSTICKS.items():
        for way, added in WAYS.items():
            if yardsticks:
                own = yardsticks[name][way]
                rows.append(
                    [title + added, number(own["uar"]), number(own.get("other_corpus")), "", *[""] * len(NETWORKS)]
                )
    if heard := folds["pooled"]["listeners"]:
        rows.append(["listeners, voice only", number(heard["uar"]), "", "", *[""] * len(NETWORKS)])
    header = ["UAR, by what is known of the speaker", "five folds", "RAVDESS", f"RAVDESS, {OWN_DEVICES}"]
    return markdown([*header, *(f"{title_of(name)} by itself, five folds" for name in NETWORKS)], rows)


def short_condition_table(found: dict) -> str:
    """The conditions that people ask for first: what they cost, how many answers stay, and what a profile gains."""
    named = {row["condition"]: row for row in found["rows"]}

    def cells(row: dict) -> list[str]:
        gain = f"{float(row['profile_gain']):+.3f}"
        if row["family"] in ("", ENROLMENT):  # the clips are as they were recorded
            return ["", "", gain]
        return [f"{float(row['change']):+.3f}", f"{float(row['unchanged']):.0%}", gain]

    rows = [[name, *cells(named[name])] for name in SHORT_CONDITIONS if name in named]
    header = ["test clips of CREMA-D", "change of UAR", "same answer", "gain by a profile of 4 such clips"]
    return markdown(header, rows)


def protocol_table(study: dict) -> str:
    """Every classifier of a study: means over its trainings, spreads, the interval over actors, the gap."""
    pooled = study["pooled"]
    unseen = pooled["scores_without_selection_actors"]
    rows = [
        {
            "": title_of(name),
            **_means(study["classifiers"][name]),
            "95 % over actors": interval_text(pooled["scores"][name]),
            "selection actors left out": number(unseen.get(name, {}).get("uar")),
        }
        for name in CLASSIFIERS
    ]
    for name, summary in study["seeds_averaged"].items():
        rows.append({"": f"{title_of(name)}, seeds averaged", **_means(summary)})
    if heard := pooled["listeners"]:
        uar, accuracy = number(heard["uar"]), number(heard["accuracy"])
        rows.append({"": "listeners, voice only", "test UAR": uar, "test accuracy": accuracy})
    header = ["", "test UAR", "95 % over actors", "selection actors left out", "spread of folds", "spread of seeds"]
    header += ["train accuracy", "test accuracy", "train minus test"]
    filled = [name for name in header if name == "" or any(row.get(name) for row in rows)]
    return markdown(filled, [[row.get(name, "") for name in filled] for row in rows])


def _means(summary: dict) -> dict[str, str]:
    mean = summary["mean"]
    return {
        "test UAR": number(mean["test"]["uar"]),
        "spread of folds": number(summary.get("spread_of_folds", {}).get("uar")),
        "spread of seeds": number(summary.get("spread_of_seeds", {}).get("uar")),
        "train accuracy": number(mean["train"]["accuracy"]),
        "test accuracy": number(mean["test"]["accuracy"]),
        "train minus test": number(summary["mean_train_minus_test_accuracy"]),
    }


def folds_table(study: dict) -> str:
    """Test UAR of every fold, the mean over its seeds."""
    names = [name for name in CLASSIFIERS if name in study["classifiers"]]
    folds = sorted({training["fold"] for training in study["classifiers"][FUSION]["trainings"]})
    rows = []
    for fold in folds:
        found = [[t["test"]["uar"] for t in study["classifiers"][n]["trainings"] if t["fold"] == fold] for n in names]
        rows.append([str(fold), *(number(sum(scores) / len(scores)) for scores in found)])
    return markdown(["fold", *(title_of(name) for name in names)], rows)


def comparison_table(study: dict) -> str:
    """Paired differences of UAR over actors."""
    rows = [
        [
            f"{title_of(row['first'])} minus {title_of(row['second'])}",
            f"{row['uar_difference']:+.3f}",
            f"{row['low']:+.3f} to {row['high']:+.3f}",
            f"{row['p']:.3f}",
        ]
        for row in study["pooled"]["comparisons"]
    ]
    return markdown(["", "UAR", "95 % over actors", "p"], rows)


def recall_table(study: dict) -> str:
    """Recall of each emotion, on every fold's test clips."""
    scores = study["pooled"]["scores"]
    rows = [
        [emotion, *(number(scores[name]["recall"][emotion]) for name in CLASSIFIERS)]
        for emotion in scores[FUSION]["recall"]
    ]
    return markdown(["recall", *map(title_of, CLASSIFIERS)], rows)


def group_table(study: dict) -> str:
    """UAR of the fusion in each group beside the listeners', and of the actor whom it recognises worst."""
    rows = [
        [
            f"{GROUP_TITLES[group]}: {value}",
            str(scores["actors"]),
            str(scores["clips"]),
            number(scores["uar"]),
            interval_text(scores),
            number((scores["listeners"] or {}).get("uar")),
        ]
        for group, values in study["pooled"]["groups"].items()
        for value, scores in values.items()
    ]
    worst = study["pooled"]["worst_actor"][FUSION]
    rows.append([f"worst actor ({worst['value']})", "1", str(worst["clips"]), number(worst["uar"]), "", ""])
    return markdown(["", "actors", "clips", "fusion UAR", "95 % over actors", "listeners UAR"], rows)


def profile_table(study: dict) -> str:
    """UAR when the speaker is known from some clips, which are then not scored, beside that of knowing nothing."""
    names, whole = TOGETHER, study["pooled"]["scores"]
    rows = [["none", *(number(whole[name]["uar"]) for name in names), interval_text(whole[FUSION])]]
    rows += [
        [clips, *(number(scores[name]["uar"]) for name in names), interval_text(scores[FUSION])]
        for clips, scores in study["profiles"].items()
    ]
    return markdown(["clips in the profile", *map(title_of, names), "95 % over actors, fusion"], rows)


def moved_corpus_table(found: dict) -> str:
    """``corpus_table`` of the clips, each at a gain and by a microphone of its own."""
    return corpus_table({"profiles": found[OWN_DEVICES]})


def corpus_table(found: dict) -> str:
    """UAR, its interval and the calibration error on another corpus, a row for each profile."""
    rows = [
        [
            clips,
            str(scores["clips"]),
            number(scores["uar"]),
            interval_text(scores),
            *(number(own["uar"]) for own in scores["networks"].values()),
            number(scores["calibration_error"]),
            f"{scores['sure']['coverage']:.0%}",
            "" if scores["sure"]["accuracy"] is None else f"{scores['sure']['accuracy']:.0%}",
        ]
        for clips, scores in found["profiles"].items()
    ]
    networks = next(iter(found["profiles"].values()))["networks"]
    header = ["clips in the profile", "clips scored", "UAR", "95 % over speakers", *map(title_of, networks)]
    return markdown([*header, "calibration error", "sure", "of them right"], rows)


def condition_table(found: dict) -> str:
    """Every condition: UAR, its change, the answers that stay, whether the limits hold, and what a profile gains."""

    def shown(value) -> str:
        return "" if value in ("", None) else f"{float(value):+.3f}"

    verdict = {"True": "yes", "False": "no", "": ""}
    rows = [
        [
            row["condition"],
            "" if row["uar"] == "" else number(float(row["uar"])),
            "" if row["uar_low"] == "" else f"{float(row['uar_low']):.3f} to {float(row['uar_high']):.3f}",
            shown(row["change"]) if row["family"] not in ("", ENROLMENT) else "",
            f"{float(row['unchanged']):.0%}" if row["family"] != ENROLMENT else "",
            shown(row["least_change"]),
            "" if row["least_unchanged"] == "" else f"{float(row['least_unchanged']):.0%}",
            verdict[str(row["passed"])],
            "" if row["profile_uar"] == "" else number(float(row["profile_uar"])),
            shown(row["profile_gain"]),
        ]
        for row in found["rows"]
        if row["family"] != MICROPHONE
    ]
    header = ["", "UAR", "95 % over actors", "change", "same answer", "least change", "least same", "holds"]
    return markdown([*header, "with a profile", "its gain"], rows)


def ablation_note(ablation: dict) -> str:
    """The terms on which the ablation holds."""
    about, short = ablation["about"], ", ".join(f"{key}={value}" for key, value in ablation["common"].items())
    note = (
        f"CNN1D on CREMA-D, split {about['protocol']}, validation actors only, one seed, a short training ({short}): "
        f"an interval over actors holds for the clips, not for another seed, which moves a row by about 0.01."
    )
    if about["conditions"]:
        tried = f"{about['tried_clips']} clips under {len(about['conditions'])} of them"
        note += f" Conditions: the mean UAR of {tried}; the last column is {about['other_corpus']}, without a profile."
    return note


def ablation_rows(ablation: dict) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the ablation: validation UAR, its difference from the defaults, and UAR elsewhere."""
    elsewhere = {"conditions": "conditions_uar", "other corpus": "corpus_uar"}
    shown = {name: key for name, key in elsewhere.items() if any(row[key] is not None for row in ablation["rows"])}
    rows = []
    for row in ablation["rows"]:
        against = row["against_defaults"]
        difference = f"{against['uar_difference']:+.3f} ({against['low']:+.3f} to {against['high']:+.3f})"
        own = "" if row is ablation["rows"][0] else difference
        rows.append(
            [row["row"], number(row["uar"]), interval_text(row), own, *(number(row[key]) for key in shown.values())]
        )
    return ["", "validation UAR", "95 % over actors", "minus defaults (95 %)", *shown], rows


def ablation_table(ablation: dict) -> str:
    """The ablation, under the terms on which it holds."""
    return f"{ablation_note(ablation)}\n\n{markdown(*ablation_rows(ablation))}"


def replace_block(text: str, name: str, content: str) -> str:
    """Put ``content`` between ``<!-- name -->`` and ``<!-- end of name -->``.

    Raises
    ------
    InputError : the text has no such block
    """
    block = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    if not block.search(text):
        raise InputError(f"no block '<!-- {name} -->' ... '<!-- end of {name} -->' to fill")
    return block.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text)
