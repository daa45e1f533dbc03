"""The embedded demo corpus: synthetic speech under CREMA-D's names and in its layout."""

import io as memory
import time
from itertools import product

import numpy as np
import soundfile

from ser import artifacts
from ser.corpus.crema_d import SENTENCES
from ser.corpus.demo import SAMPLE_RATE, draw_manner, draw_voice, imagined_votes, speak
from ser.emotions import EMOTION_OF_CODE, EMOTION_OF_VOTE, EMOTIONS
from ser.parallel import map_chunks
from ser.params import load
from ser.randomness import clip_rng
from stages.shared.console import progress, rate, run

FIRST_ACTOR, CHUNK = 1001, 24
CODE_OF_EMOTION = {emotion: code for code, emotion in EMOTION_OF_CODE.items()}


def demo_corpus() -> str:
    start, settings = time.perf_counter(), load().demo_corpus
    actors = {
        actor: draw_voice("female" if actor % 2 else "male", clip_rng(settings.seed, f"actor {actor}"))
        for actor in range(FIRST_ACTOR, FIRST_ACTOR + settings.actors)
    }
    # Each actor speaks each emotion in some of the sentences; the choice moves on, so all are spoken.
    names = [
        (actor, SENTENCES[(number + place) % len(SENTENCES)], emotion)
        for number, (actor, emotion) in enumerate(product(actors, EMOTIONS))
        for place in range(settings.sentences_per_emotion)
    ]

    def compute(names: list[tuple[int, str, str]]) -> list[tuple[str, bytes]]:
        clips = []
        for actor, sentence, emotion in names:
            clip = clip_name(actor, sentence, emotion)
            rng = clip_rng(settings.seed, clip)
            signal = speak(sentence, draw_manner(emotion, actors[actor], rng), actors[actor], rng)
            clips.append((clip, wav_bytes(signal)))
        return clips

    for clips in progress(map_chunks(compute, names, chunk=CHUNK), total=len(names)):
        for clip, content in clips:
            artifacts.write_bytes(f"data/demo/AudioWAV/{clip}.wav", content)
    write_tables(actors, names, settings.seed)
    return f"{len(names)} synthetic clips of {len(actors)} actors out, {rate(len(names), start)}"


def clip_name(actor: int, sentence: str, emotion: str) -> str:
    """A name as CREMA-D gives them, without a level."""
    return f"{actor}_{sentence}_{CODE_OF_EMOTION[emotion]}_XX"


def wav_bytes(signal: np.ndarray) -> bytes:
    """A 16-bit WAV file."""
    file = memory.BytesIO()
    soundfile.write(file, signal, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def write_tables(actors: dict, names: list[tuple], seed: int) -> None:
    """Both tables of CREMA-D, for imagined actors and listeners."""
    people = [
        {
            "ActorID": actor,
            "Age": voice.age,
            "Sex": voice.sex.capitalize(),
            "Race": "Synthetic",
            "Ethnicity": "Synthetic",
        }
        for actor, voice in actors.items()
    ]
    artifacts.write_csv("data/demo/VideoDemographics.csv", people, columns=list(people[0]))
    code = {emotion: letter for letter, emotion in EMOTION_OF_VOTE.items()}
    rows = []
    for number, (actor, sentence, emotion) in enumerate(names):
        clip = clip_name(actor, sentence, emotion)
        votes = imagined_votes(emotion, clip_rng(seed, f"votes {clip}"))
        counts = {code[name]: int(count) for name, count in zip(EMOTIONS, votes, strict=True)}
        rows.append({"": 100001 + number, **counts, "fileName": clip, "numResponses": int(votes.sum())})
    artifacts.write_csv("data/demo/processedResults/tabulatedVotes.csv", rows, columns=list(rows[0]))


if __name__ == "__main__":
    run(demo_corpus)
