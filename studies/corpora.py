"""A bundle on another corpus: without a profile, and with profiles of some of each speaker's clips.

Each is tried with the clips as recorded, and with each clip at a gain and by a microphone of its own: a corpus recorded
at one gain by one microphone cannot show what a profile does elsewhere.

``python -m studies.corpora data/ravdess --format ravdess`` writes ``results/ravdess.json`` for the bundle of the
package, or of ``--model``. None of the speakers may have been heard in training.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from ser import artifacts
from ser.answers.evaluation import (
    Listing,
    evaluate_corpus,
    heard_before,
    known_words,
    list_corpus,
    outcomes_with_profiles,
)
from ser.answers.files import recognize_files
from ser.answers.opening import open_bundle
from ser.answers.recognizer import Recognizer
from ser.audio.devices import respond
from ser.audio.reading import read_audio
from ser.corpus.formats import FORMATS, describe
from ser.errors import InputError
from stages.shared.console import progress, run
from studies.tables import OWN_DEVICES

# Clips of each speaker in the profile, and of which emotion they are; ``None`` clips are all, and any emotion.
PROFILES: dict[str, tuple[int | None, str | None]] = {
    "1": (1, None),
    "4": (4, None),
    "16": (16, None),
    "all, the asked one as well": (None, None),
    "4 neutral": (4, "neutral"),
}


def corpora() -> str:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", metavar="FOLDER")
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--model", metavar="PATH", help="bundle; by default the one of the package")
    options = parser.parse_args()
    recognizer = Recognizer(open_bundle(options.model))
    listing = list_corpus(options.corpus, options.format, known_words(recognizer.about))
    speakers = {utterance.name.actor for utterance in listing.utterances.values()}
    if heard_before(recognizer.about, options.corpus, options.format, speakers) != 0:
        raise InputError(f"{options.corpus}: the networks were, or may have been, trained on some of its speakers.")
    with tempfile.TemporaryDirectory() as folder:
        moved = profiles(recognizer, by_own_devices(listing, Path(folder)))
    found = {"profiles": profiles(recognizer, listing), OWN_DEVICES: moved}
    path = f"results/{options.format}.json"
    about = {"corpus": describe(options.corpus, options.format)["name"], "bundle": recognizer.about["hash"]}
    artifacts.write_json(path, about | found)
    return f"{len(listing.utterances)} clips under {len(PROFILES) + 1} profiles, {path}"


def profiles(recognizer: Recognizer, listing: Listing) -> dict:
    """Scores without a profile, and with each of ``PROFILES``."""
    found = {"none": score(recognizer, listing, 0, None)}
    for name, (clips, emotion) in PROFILES.items():
        found[name] = score(recognizer, listing, clips, emotion)
    return found


def by_own_devices(listing: Listing, folder: Path) -> Listing:
    """The same clips in another folder, each at a gain within 20 dB and by a simulated microphone of its own."""
    utterances = {}
    for number, (path, utterance) in enumerate(listing.utterances.items()):
        rng, (samples, sample_rate) = np.random.default_rng(number), read_audio(path)
        signal = samples.mean(axis=1) * np.float32(10 ** (rng.uniform(-20, 20) / 20))
        deviation_db, tilt_db = rng.uniform(1, 4), rng.uniform(-3, 3)
        signal = respond(signal, sample_rate=sample_rate, deviation_db=deviation_db, tilt_db=tilt_db, rng=rng)
        own = str(folder / f"{number:05d}.wav")
        soundfile.write(own, signal, sample_rate, subtype="FLOAT")
        utterances[own] = utterance
    return Listing(utterances, listing.left_out, listing.misnamed)


def score(recognizer: Recognizer, listing: Listing, clips: int | None, emotion: str | None) -> dict:
    """Scores with a profile of some clips of each speaker; 0 is no profile."""
    outcomes = (
        recognize_files(recognizer, list(listing.utterances))
        if clips == 0
        else outcomes_with_profiles(recognizer, listing, clips, emotion=emotion)
    )
    shown = progress(([outcome] for outcome in outcomes), total=len(listing.utterances))
    return evaluate_corpus(listing, (outcome for (outcome,) in shown), heard=0)


if __name__ == "__main__":
    run(corpora)
