"""``import ser``: what a person does in a notebook."""

import doctest
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from helpers import ROOT, sine

import ser
import ser.answers.profile
import ser.features
import ser.model
from ser.audio.preprocessing import preprocess
from ser.features.families import feature_names, frame_features


@pytest.fixture(scope="module")
def model() -> ser.Model:
    return ser.load()


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Two seconds of a tone with overtones, which is voiced."""
    return sum(sine(220.0 * k, amplitude=0.3 / k, seconds=2) for k in (1, 2, 3, 4))


def test_the_examples_of_the_documentation_hold():
    for module in (ser, ser.model, ser.features, ser.answers.profile, ser.errors):
        failed, tried = doctest.testmod(module, globs={"ser": ser})
        assert (failed, tried > 0) == (0, True)


def test_every_public_name_has_an_example():
    names = [getattr(ser, name) for name in ser.__all__ if name != "features"]
    methods = [getattr(ser.Model, name) for name in vars(ser.Model) if not name.startswith("_")]
    for public in (*names, *methods, type(ser.features).__call__):
        assert ">>> " in (public.__doc__ or ""), public


def test_features_are_those_of_the_pipeline_by_name(model, voice, tmp_path):
    soundfile.write(tmp_path / "a.wav", voice, 16000, subtype="FLOAT")
    table = ser.features(tmp_path / "a.wav")
    params = model._recognizer.params
    signal = preprocess(voice[:, None], 16000, params.preprocess)
    expected = frame_features(signal, sample_rate=16000, settings=params.features_1d)
    spoken = len(table) - 4  # the last frames see what follows, which is nothing here and padding there
    np.testing.assert_allclose(table.to_numpy()[:spoken], expected[:spoken], atol=1e-3)
    assert list(table.columns) == feature_names(params.features_1d)
    assert 60 * 2 ** np.median(table["pitch_octaves"]) == pytest.approx(220, rel=0.02)
    assert table.index[1] == pytest.approx(0.016)
    with pytest.raises(ser.InputError, match="silent"):
        ser.features(np.zeros(16000), 16000)
    with pytest.raises(ser.InputError, match="at most 600 s"):
        ser.features(np.ones(16000 * 601, np.float32), 16000)
    with pytest.raises(ser.InputError, match="needs its sample rate"):
        model.features(voice)
    with pytest.raises(ser.InputError, match="1 samples are NaN"):
        model.features(np.append(voice, np.nan), 16000)


def test_features_without_pandas_are_arrays_by_name(model, voice, monkeypatch):
    with_pandas = model.features(voice, 16000)
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = model.features(voice, 16000)
    np.testing.assert_allclose(table["energy"], with_pandas["energy"])
    assert len(table["seconds"]) == len(with_pandas)


def test_a_file_and_its_samples_give_one_answer(model, voice, tmp_path):
    soundfile.write(tmp_path / "a.wav", voice, 16000, subtype="FLOAT")
    answer = model.predict(voice, 16000)
    assert model.predict(tmp_path / "a.wav") == model.predict(str(tmp_path / "a.wav")) == answer
    assert answer.emotion == max(answer.probabilities, key=answer.probabilities.get)
    assert answer.probability == answer.probabilities[answer.emotion]
    assert set(answer.networks) == {"cnn1d", "cnn2d"}
    assert answer.duration_seconds == 2.0
    assert answer.timeline == []
    assert f"<b>{answer.emotion}</b>" in answer._repr_html_()


def test_arrays_as_people_have_them(model, voice):
    expected = model.predict(voice, 16000).probabilities
    integers = np.round(voice * 32768).astype(np.int16)
    pandas = pytest.importorskip("pandas")
    for given in (
        voice.astype(np.float64),
        voice[:, None],
        voice[None],
        np.stack([voice, voice]),
        np.stack([voice, voice], axis=1),
        pandas.Series(voice),
        voice.tolist(),
        voice[::-1][::-1],
    ):
        assert model.predict(given, 16000).probabilities == pytest.approx(expected, abs=1e-5)
    unsigned = (integers.astype(np.int32) + 32768).astype(np.uint16)
    rounded = model.predict(integers / 32768, 16000).probabilities  # as integers have it
    for given in (integers, integers.astype(np.int32) * 65536, unsigned):
        assert model.predict(given, 16000).probabilities == pytest.approx(rounded, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "rate", "message"),
    [
        (np.zeros((4, 4)), 16000, "which axis are the channels"),
        (np.zeros((900, 900)), 16000, "which axis are the channels"),
        (np.zeros((2, 3, 4)), 16000, "expected"),
        (np.zeros(16000, complex), 16000, "complex"),
        (np.array(["a"]), 16000, "a list of these"),
        (None, 16000, "neither a path nor an array"),
        (np.zeros(16000), "16000", "expected a number, in Hz"),
        ((np.zeros(16000), 16000), None, "two arguments"),
        ((16000, np.zeros(16000)), None, "two arguments"),
        (["nowhere.wav"], None, "recording 0 of the list: nowhere.wav: no such file"),
        ([np.ones(4000, np.float32), np.zeros(16000)], 16000, "recording 0 of the list: .*too short"),
        (np.zeros(16000), None, "needs its sample rate"),
        (np.zeros(16000), 3, "3 Hz"),
        (np.zeros(16000), 16000, "silent"),
        (np.full(16000, np.nan), 16000, "NaN"),
        ("nowhere.wav", None, "no such file"),
        ("nowhere.wav", 16000, "a file says its own"),
    ],
)
def test_what_cannot_be_answered_says_why(model, given, rate, message):
    with pytest.raises(ser.InputError, match=message):
        model.predict(given, rate)


@pytest.mark.parametrize(
    ("given", "rate", "message"),
    [
        ([np.ones(4000, np.float32)], 16000, "^recording 0 of the list: too short"),
        (np.ones(4000, np.float32), 16000, "^too short"),
        (["nowhere.wav"], None, "^nowhere.wav: no such file"),
        (["nowhere.wav"], 16000, "a file says its own"),
        ([], None, "No recordings to calibrate with"),
    ],
)
def test_what_cannot_be_calibrated_with_says_which_it_is(model, given, rate, message):
    with pytest.raises(ser.InputError, match=message):
        model.calibrate(given, rate)


def test_lists_threads_and_processes_give_the_same_answers(model, voice, tmp_path):
    soundfile.write(tmp_path / "a.wav", voice, 16000, subtype="FLOAT")
    answer = model.predict(voice, 16000)
    # Together, they are rounded otherwise: by up to 3e-5 in 827 clips of CREMA-D.
    for one in model.predict([voice, voice[None]], 16000):
        assert one.probabilities == pytest.approx(answer.probabilities, abs=3e-5)
    assert model.predict([tmp_path / "a.wav"]) == [answer]
    with ThreadPoolExecutor(4) as pool:
        assert set(map(repr, pool.map(lambda _: model.predict(voice, 16000), range(16)))) == {repr(answer)}
    assert pickle.loads(pickle.dumps(model)).predict(voice, 16000) == answer


def test_a_recording_without_an_answer_says_so_from_another_process():
    sent = pickle.loads(pickle.dumps(ser.NoAnswer("silent", "nothing is heard")))
    assert (sent.kind, str(sent)) == ("silent", "nothing is heard")


def test_a_profile_opens_no_network_again(model):
    recognizer = model._recognizer
    assert recognizer.with_profile(None).sessions is recognizer.sessions


def test_a_long_recording_has_a_timeline_without_gaps(model, voice):
    recording = np.concatenate([voice, np.zeros(5 * 16000, np.float32), voice])
    timeline = model.predict(recording, 16000).timeline
    assert (timeline[0].start_seconds, timeline[-1].end_seconds) == (0.0, 9.0)
    assert all(one.end_seconds == other.start_seconds for one, other in pairwise(timeline))
    assert {stretch.reason for stretch in timeline if stretch.emotion is None} == {"silent"}


def test_a_folder_is_a_table(model, voice, tmp_path):
    soundfile.write(tmp_path / "a.wav", voice, 16000)
    (tmp_path / "b.wav").write_bytes(b"no sound")
    table = model.predict_folder(tmp_path)
    assert list(table.columns) == [
        "file",
        "emotion",
        "probability",
        "sure",
        *model.emotions,
        "duration_seconds",
        "error",
    ]
    assert table["emotion"].tolist()[0] == model.predict(tmp_path / "a.wav").emotion
    assert "not a sound file" in table["error"].tolist()[1]


def test_profiles_can_be_compared_and_shown(model, voice):
    profile = model.calibrate(voice, 16000)
    assert profile == model.calibrate([voice], 16000) == pickle.loads(pickle.dumps(profile))
    assert profile != model.calibrate([voice, voice], 16000)
    assert repr(profile).startswith("<ser.Profile of 1 clips")
    with pytest.raises(ser.InputError, match="profile of type int"):
        model.predict(voice, 16000, profile=3)


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_the_python_of_the_pages_runs(page, voice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("clip.wav", "mine1.wav", "mine2.wav", "clips/a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, voice, 16000)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    run = [block for block in blocks if "subprocess" not in block]  # which trains
    assert run
    for block in run:
        exec(compile(block, page, "exec"), {})


def test_only_the_public_names_are_offered():
    names = {"Answer", "InputError", "Model", "NoAnswer", "Profile", "Stretch", "features", "load", "__version__"}
    assert set(dir(ser)) == names
    assert issubclass(ser.NoAnswer, ser.InputError)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ser.nothing
