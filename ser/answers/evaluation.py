"""Scoring a bundle on a corpus, and saying which of its speakers the networks have heard before."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser.answers.bundle_schema import Params
from ser.answers.files import Outcome, calibrate_files, recognize_files
from ser.answers.formats import as_csv_row, csv_columns
from ser.answers.recognizer import Recognizer
from ser.corpus.clips import SYNONYMS
from ser.corpus.formats import FORMATS, describe
from ser.corpus.listing import Listing, list_clips
from ser.corpus.partitions import PUBLISHED_PROTOCOLS, published_partition
from ser.errors import InputError
from ser.scoring.scores import FEW_ACTORS, accuracy, confusion, rounded, score, unweighted_average_recall

BOOTSTRAP_SAMPLES = 1000
PROFILE_SEED = 0


def known_words(about: dict) -> dict[str, str]:
    """The emotion of a bundle that each word of a corpus names: its own words, and the usual ones for its emotions.

    Parameters
    ----------
    about : the bundle's description
    """
    emotions, own = about["emotions"], Params.model_validate(about["params"]).corpus.labels
    usual = {word: emotion for word, emotion in SYNONYMS.items() if emotion in emotions}
    given = {word: emotion for word, emotion in (own or {}).items() if emotion in emotions}
    return usual | {emotion: emotion for emotion in emotions} | given


def list_corpus(folder: str, format_name: str, words: Mapping[str, str]) -> Listing:
    """Find the clips of a corpus and what their names, or the table, say; paths begin with the folder.

    Parameters
    ----------
    words : the emotion that each word of the corpus names

    Raises
    ------
    InputError : no clip to score
    """
    layout, root = FORMATS[format_name], Path(folder)
    found, audio = list_clips(root, layout, words), root / layout.audio_folder
    listing = Listing(*({str(audio / name): said for name, said in part.items()} for part in vars(found).values()))
    if not listing.utterances:
        first = next(iter(listing.misnamed.values()), "all carry other emotions")
        raise InputError(f"{audio}: contains no clip in the format {format_name} that can be scored; {first}.")
    return listing


def heard_before(about: dict, folder: str, format_name: str, speakers: set[int]) -> int | None:
    """How many speakers of a corpus trained a bundle's networks or chose their epoch.

    ``None`` where nobody can tell: the bundle is of this corpus, under a split that its parameters draw;
    or a table lists the clips of one of them, which may come from any corpus.

    Parameters
    ----------
    about : the bundle's description
    """
    trained_on, name = about["corpus"].get("name"), describe(folder, format_name)["name"]
    if trained_on != name:
        listed = {layout.name for layout in FORMATS.values() if layout.rows is not None}
        return None if {trained_on, name} & listed else 0
    split = about["params"].get("split", {})
    if split.get("protocol") not in PUBLISHED_PROTOCOLS:
        return None
    subset_of = published_partition(split["protocol"], split["fold"])
    return sum(subset_of.get(speaker) in ("train", "validation") for speaker in speakers)


def outcomes_with_profiles(
    recognizer: Recognizer, listing: Listing, clips: int | None, *, emotion: str | None = None
) -> Iterator[Outcome]:
    """The outcomes of a corpus when every speaker is calibrated first, without a label.

    Parameters
    ----------
    clips : of each speaker, drawn at random, make the profile and are then not answered; with ``None`` the profile
        is of all clips of the speaker, and all are answered
    emotion : what the clips of the profile are to be, such as ``"neutral"`` for somebody's ordinary voice; any, if
        ``None``

    A speaker with too few clips has none that is answered, and outcomes that say so.
    """
    by_speaker: dict[int, list[str]] = {}
    for path, utterance in listing.utterances.items():
        by_speaker.setdefault(utterance.name.actor, []).append(path)
    for speaker, paths in sorted(by_speaker.items()):
        drawn = [paths[n] for n in np.random.default_rng([PROFILE_SEED, speaker]).permutation(len(paths))]
        given = [path for path in drawn if emotion in (None, listing.utterances[path].name.emotion)][:clips]
        asked = paths if clips is None else [path for path in paths if path not in set(given)]
        if not given or not asked:
            why = (
                f"this speaker has {len(paths)} clips; a profile of {clips} leaves none to score"
                if given
                else f"this speaker has no clip of {emotion} to make a profile of"
            )
            yield from (Outcome(path, kind="too few clips for a profile", message=why) for path in paths)
            continue
        try:
            profile, _, _ = calibrate_files(recognizer, given)
        except InputError as error:
            yield from (Outcome(path, kind="no profile", message=str(error)) for path in asked)
            continue
        yield from recognize_files(recognizer.with_profile(profile), asked)


def evaluate_corpus(listing: Listing, outcomes: Iterable[Outcome], *, heard: int | None) -> dict:
    """Scores over the clips that were answered, with an interval over speakers, and what was not scored.

    Parameters
    ----------
    heard : how many of the speakers the networks know; see ``heard_before``
    """
    answered, failed = [], Counter(misnamed=len(listing.misnamed))
    for outcome in outcomes:
        if outcome.recognition is None:
            failed[outcome.kind] += 1
        else:
            answered.append((listing.utterances[outcome.file].name, outcome.recognition))
    if not answered:
        counted = ", ".join(f"{count} {kind}" for kind, count in failed.items() if count)
        raise InputError(f"None of {len(listing.utterances)} clips could be answered: {counted}.")
    emotions = answered[0][1].emotions
    actual = np.array([emotions.index(name.emotion) for name, _ in answered])
    probabilities = np.stack([found.probabilities for _, found in answered])
    scores = score(
        probabilities,
        actual,
        np.array([name.actor for name, _ in answered]),
        bootstrap_samples=BOOTSTRAP_SAMPLES,
        rng=np.random.default_rng(0),
        emotions=emotions,
    )

    def counts_of(given: NDArray[np.float32]) -> NDArray[np.int64]:
        return confusion(actual, given.argmax(axis=1), len(emotions))

    networks = {
        network: counts_of(np.stack([found.networks[network] for _, found in answered]))
        for network in answered[0][1].networks
    }
    sure = np.array([found.sure for _, found in answered])
    right = probabilities.argmax(axis=1) == actual
    if scores["actors"] <= FEW_ACTORS:  # an interval over so few would only repeat them
        scores |= dict.fromkeys(("accuracy_low", "accuracy_high", "uar_low", "uar_high"))
    return scores | {
        "emotions": list(emotions),
        "sure": {
            "coverage": rounded(sure.mean()),
            "accuracy": rounded(right[sure].mean()) if sure.any() else None,
        },
        "confusion": counts_of(probabilities).tolist(),
        "networks": {
            network: {"accuracy": rounded(accuracy(counts)), "uar": rounded(unweighted_average_recall(counts))}
            for network, counts in networks.items()
        },
        "left_out": dict(Counter(listing.left_out.values())),
        "not_answered": {kind: count for kind, count in failed.items() if count},
        "heard_before": heard,
    }


def prediction_columns(emotions: Sequence[str]) -> list[str]:
    """Columns of ``prediction_rows``."""
    return ["file", "speaker", "actual", *csv_columns(emotions)[1:]]


def prediction_rows(listing: Listing, outcomes: Iterable[Outcome]) -> list[dict]:
    """A row in ``prediction_columns`` for each clip: what it is meant to be, and its answer or why there is none."""
    return [
        as_csv_row(outcome)
        | {
            "speaker": listing.utterances[outcome.file].name.actor,
            "actual": listing.utterances[outcome.file].name.emotion,
        }
        for outcome in outcomes
    ]


def as_text(found: dict) -> str:
    """What ``evaluate_corpus`` gives, for people."""
    heard, few = found["heard_before"], found["actors"] <= FEW_ACTORS
    warning = {
        None: "some of whom the networks may have been trained on: if so, this is not a test",
        0: "none of whom the networks were trained on",
    }.get(heard, f"{heard} of whom the networks were trained on: for those this is not a test")

    speakers = "one speaker" if found["actors"] == 1 else f"{found['actors']} speakers"

    def interval(name: str) -> str:
        return "" if few else f" ({found[f'{name}_low']:.3f} to {found[f'{name}_high']:.3f}, 95 % over speakers)"

    accuracy_of_sure = found["sure"]["accuracy"]
    right = "" if accuracy_of_sure is None else f", {accuracy_of_sure:.0%} of them right"
    lines = [
        f"{found['clips']} clips of {speakers}, {warning}",
        f"accuracy           {found['accuracy']:.3f}{interval('accuracy')}",
        f"UAR                {found['uar']:.3f}{interval('uar')}",
        f"macro F1           {found['macro_f1']:.3f}",
        f"calibration error  {found['calibration_error']:.3f}",
        f"sure answers       {found['sure']['coverage']:.0%} of all{right}",
        *(f"recall {emotion:<11} {value:.3f}" for emotion, value in found["recall"].items()),
        *(f"UAR of {name:<11} {scores['uar']:.3f}, by itself" for name, scores in found["networks"].items()),
    ]
    if few:
        lines.insert(1, f"no interval over speakers: {found['actors']} are too few to tell how much others differ")
    lines += [
        "",
        f"{'actual, down':<14}" + "".join(f"{emotion:>10}" for emotion in found["emotions"]) + "  answered, across",
    ]
    lines += [
        f"{emotion:<14}" + "".join(f"{count:>10}" for count in row)
        for emotion, row in zip(found["emotions"], found["confusion"], strict=True)
    ]
    for title, counts in (("left out, no such emotion", found["left_out"]), ("not answered", found["not_answered"])):
        if counts:
            lines.append(f"{title}: " + ", ".join(f"{count} {label}" for label, count in counts.items()))
    return "\n".join(lines)
