import numpy as np
import pytest
from helpers import SAMPLE_RATE

from ser.corpus.crema_d import SENTENCES
from ser.corpus.demo import MANNERS, draw_manner, draw_voice, imagined_votes, sentence_sounds, speak
from ser.emotions import EMOTIONS
from ser.features.pitch import fundamental_frequency
from ser.randomness import clip_rng


def utterances(emotion: str, sex: str = "female", count: int = 8) -> list[np.ndarray]:
    voice = draw_voice(sex, np.random.default_rng(1))
    rngs = [clip_rng(0, f"{emotion} {i}") for i in range(count)]
    return [speak(SENTENCES[i], draw_manner(emotion, voice, rng), voice, rng) for i, rng in enumerate(rngs)]


def median_pitch_hz(signal: np.ndarray) -> float:
    octaves, harmonicity = fundamental_frequency(
        signal, sample_rate=SAMPLE_RATE, frame_length=1024, hop_length=256, fmin_hz=60.0, fmax_hz=500.0
    )
    return float(60 * 2 ** np.median(octaves[harmonicity > 0.6]))


def test_an_utterance_is_sound_of_a_few_seconds():
    for signal in utterances("neutral"):
        assert signal.dtype == np.float32
        assert 1.0 < len(signal) / SAMPLE_RATE < 5.0
        assert 0.01 < np.abs(signal).max() <= 1
        assert np.isfinite(signal).all()


def test_the_same_draws_give_the_same_sound():
    np.testing.assert_array_equal(utterances("fear")[0], utterances("fear")[0])


def test_women_speak_higher_than_men():
    women, men = (np.mean([median_pitch_hz(u) for u in utterances("neutral", sex)]) for sex in ("female", "male"))
    assert women > 1.3 * men


@pytest.mark.parametrize(("higher", "lower"), [("anger", "sadness"), ("fear", "neutral")])
def test_emotions_differ_in_pitch(higher, lower):
    means = [np.mean([median_pitch_hz(u) for u in utterances(emotion)]) for emotion in (higher, lower)]
    assert means[0] > 1.1 * means[1]


def test_anger_is_louder_and_faster_than_sadness():
    levels = {e: np.mean([20 * np.log10(np.std(u)) for u in utterances(e)]) for e in ("anger", "sadness")}
    lengths = {e: np.mean([len(u) for u in utterances(e)]) for e in ("anger", "sadness")}
    # Their manners are 11 dB apart; the least expressive voices show six tenths of it, and strays add to that.
    assert levels["anger"] > levels["sadness"] + 3
    assert lengths["anger"] < lengths["sadness"]


def test_manners_and_sentences_are_complete():
    assert tuple(MANNERS) == EMOTIONS
    assert len({str(sentence_sounds(sentence)) for sentence in SENTENCES}) == len(SENTENCES) == 12


def test_imagined_listeners_are_right_four_times_in_ten(rng):
    votes = sum(imagined_votes("fear", rng) for _ in range(2000))
    assert votes.sum() == 9 * 2000
    assert votes[EMOTIONS.index("fear")] / votes.sum() == pytest.approx(0.4, abs=0.03)
