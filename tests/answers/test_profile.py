"""Profiles: what is learnt of a voice and a microphone, and what is refused."""

import json

import numpy as np
import pytest
import soundfile
from helpers import REAL_CORPORA, sine

import ser
from ser import artifacts, cli
from ser.answers.evaluation import list_corpus
from ser.answers.opening import open_bundle
from ser.answers.profile import Profile, parse_profile, read_profile
from ser.answers.recognizer import Recognizer
from ser.corpus.clips import words_of
from ser.corpus.partitions import published_partition
from ser.emotions import EMOTIONS
from ser.errors import InputError


@pytest.fixture(scope="module")
def model() -> ser.Model:
    return ser.load()


def voice(pitch_hz: float, seconds: float = 2.0) -> np.ndarray:
    """A voiced sound that swells and fades."""
    tones = np.sum([sine(pitch_hz * k, seconds=seconds, amplitude=0.2 / k) for k in range(1, 15)], axis=0)
    return (tones * (0.2 + np.abs(np.sin(np.linspace(0, 9, len(tones)))))).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Three recordings of one voice."""
    (tmp_path / "mine").mkdir()
    for number, pitch_hz in enumerate((150.0, 170.0, 200.0)):
        soundfile.write(tmp_path / "mine" / f"{number}.wav", voice(pitch_hz), 16000)
    return tmp_path / "mine"


def test_a_profile_changes_answers_and_comes_back_whole_from_its_file(model, folder, tmp_path):
    profile = model.calibrate([folder])
    assert profile.clips == 3
    profile.save(tmp_path / "me.profile")
    profile.save(tmp_path / "again.profile")
    assert (tmp_path / "me.profile").read_bytes() == (tmp_path / "again.profile").read_bytes()
    assert (tmp_path / "me.profile").stat().st_size < 50_000
    again = read_profile(tmp_path / "me.profile")
    assert (again.bundle, again.clips, again.sums.keys()) == (profile.bundle, profile.clips, profile.sums.keys())
    for name, own in profile.sums.items():
        np.testing.assert_array_equal(again.sums[name], own)
    plain = model.predict(voice(220.0), 16000)
    known = model.predict(voice(220.0), 16000, profile=profile)
    assert known == model.predict(voice(220.0), 16000, profile=tmp_path / "me.profile")
    assert known.probabilities != plain.probabilities
    assert model.predict(voice(220.0), 16000) == plain
    table = model.predict_folder(folder, profile=profile)
    expected = [model.predict(path, profile=profile).probability for path in table["file"]]
    assert table["probability"].tolist() == pytest.approx(expected, abs=1e-6)


def test_files_arrays_and_their_order_make_one_profile(model, folder):
    paths = sorted(folder.iterdir())
    whole = model.calibrate([folder])
    arrays = model.calibrate([soundfile.read(path)[0] for path in reversed(paths)], 16000)
    for name, own in whole.sums.items():
        np.testing.assert_allclose(arrays.sums[name], own, rtol=1e-4, atol=1e-3)
    with pytest.raises(InputError, match="No recordings"):
        model.calibrate([])
    with pytest.raises(InputError, match="silent"):
        model.calibrate([np.zeros(16000)], 16000)


def test_a_long_recording_gives_a_clip_for_each_window(model):
    assert model.calibrate([voice(150.0, seconds=9.0)], 16000).clips == 5


def content_of(profile: Profile, path) -> dict:
    profile.save(path)
    return json.loads(path.read_text())


def test_damaged_foreign_and_changed_profiles_are_refused(model, folder, tmp_path):
    profile, path = model.calibrate([folder]), tmp_path / "me.profile"
    content = content_of(profile, path)
    for changed in (
        content | {"clips": 0},
        content | {"clips": 4},
        content | {"extra": 1},
        content | {"sums": {}},
        content | {"sums": {"cnn1d": "???"}},
        content | {"sums": {"cnn1d": [1.0]}},
        content | {"format_version": 2},
        content | {"bundle": "a"},
        {},
    ):
        with pytest.raises(InputError, match=r"^p: .*profile"):
            parse_profile(json.dumps(changed).encode(), name="p")
    for packed in (b"", b"{", b"[]", b"[" * 100_000, b"\xff", b"null", b" " * 3_000_000, path.read_bytes()[:-20]):
        with pytest.raises(InputError, match=r"^p: .*profile"):
            parse_profile(packed, name="p")
    with pytest.raises(InputError, match="'ser calibrate' makes a profile"):
        read_profile(tmp_path / "nowhere.profile")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_sums_that_are_none_are_refused(model, folder, tmp_path, value):
    profile = model.calibrate([folder])
    sums = {name: np.full_like(own, value) for name, own in profile.sums.items()}
    Profile(profile.bundle, profile.clips, sums).save(tmp_path / "bad.profile")
    with pytest.raises(InputError, match="damaged or changed"):
        read_profile(tmp_path / "bad.profile")


@pytest.mark.parametrize(("place", "value"), [(-1, -1.0), (0, -4.0), (None, 5.0), (1, 1e11)])
def test_a_profile_whose_numbers_are_no_sums_is_refused(model, folder, place, value):
    """Its hash is right: whoever made it can have written anything."""
    profile = model.calibrate([folder])
    changed = profile.sums["cnn2d"].copy()
    clips = 3 * len(model._recognizer.networks["cnn2d"].columns)  # the place of their number
    changed[clips if place is None else place] = value
    wrong = Profile(profile.bundle, profile.clips, profile.sums | {"cnn2d": changed})
    with pytest.raises(InputError, match="its sums do not fit"):
        model.predict(voice(220.0), 16000, profile=wrong)
    with pytest.raises(InputError, match="its sums do not fit"):
        model.predict(voice(220.0), 16000, profile=Profile(profile.bundle, 4, profile.sums))


def test_no_more_is_heard_than_a_profile_needs(model, monkeypatch):
    from ser.answers.recognizer import MOST_CLIPS

    recognizer, taken = model._recognizer, []

    def blocks():
        for number in range(10_000):
            taken.append(number)
            yield voice(150.0, seconds=30.0)[:, None]

    frames, mels = recognizer.listen(blocks(), 16000, most=50)
    assert len(frames) == len(mels) == 50
    assert len(taken) < 10
    assert MOST_CLIPS == 400


def test_a_profile_of_another_bundle_is_refused(model, folder):
    profile = model.calibrate([folder])
    recognizer = Recognizer(open_bundle(None))
    for other in (
        Profile("0" * 64, profile.clips, profile.sums),
        Profile(profile.bundle, profile.clips, {"cnn1d": profile.sums["cnn1d"]}),
        Profile(profile.bundle, profile.clips, {name: own[:-1] for name, own in profile.sums.items()}),
    ):
        with pytest.raises(InputError, match="Make it again with 'ser calibrate'"):
            recognizer.with_profile(other)


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = cli.main([*map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_calibrate_and_predict_with_the_profile(folder, tmp_path, monkeypatch, capsys):
    (folder / "noise.wav").write_bytes(b"none")
    output = tmp_path / "me.profile"
    status, out, err = run(capsys, "calibrate", folder, "-o", output)
    assert (status, out) == (0, f"3 of 4 recordings, 3 clips; {output}.\n")
    assert f"ser: {output} may not help: it is made of few or short recordings" in err
    assert "noise.wav" in err
    assert "left out" in err
    monkeypatch.setattr("ser.answers.files.MOST_CLIPS", 2)  # more are not read
    _, out, _ = run(capsys, "calibrate", folder, "-o", tmp_path / "few.profile")
    assert out.startswith("2 of 4 recordings, 2 clips; ")
    monkeypatch.undo()
    (folder / "noise.wav").unlink()
    asked = sorted(map(str, folder.iterdir()))
    known = run(capsys, "predict", "--json", "--profile", output, *asked)
    same = run(capsys, "predict", "--json", "--same-speaker", folder)
    plain = run(capsys, "predict", "--json", *asked)
    assert known[:2] == same[:2]
    assert known[0] == plain[0] == 0
    assert known[1] != plain[1]
    status, _, _ = run(capsys, "calibrate", folder, "-o", output)
    assert status == 0  # a profile may be replaced
    status, _, err = run(capsys, "calibrate", folder, "-o", asked[0])
    assert status == 1
    assert "exists and is no profile" in err
    assert soundfile.read(asked[0])[0].any()


def test_what_cannot_be_calibrated_with_is_one_line(tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes(b"none")
    for arguments, message in (
        (("calibrate", tmp_path / "a.wav", "-o", tmp_path / "p"), "None of the 1 recordings can be used for a profile"),
        (("predict", "--profile", tmp_path / "a.wav", tmp_path / "a.wav"), "no profile"),
        (("predict", "--same-speaker", "-"), "not with standard input"),
    ):
        status, _, err = run(capsys, *arguments)
        assert status == 1
        assert message in err
        assert err.startswith("ser: ")
    assert not (tmp_path / "p").exists()


@pytest.mark.pipeline
def test_profiles_of_the_bundle_are_those_of_the_pipelines_networks(finished):
    """Sums by ONNX Runtime from the recording are those by Keras from the pipeline's arrays."""
    from ser.features.relative import clip_sums
    from ser.networks.network import find_network
    from ser.params import load
    from ser.training.fit import answer_with

    params, data = load(finished.folder / "params.yaml"), finished.folder / "data"
    clips = artifacts.read_parquet(data / "clips.parquet")
    rows = np.flatnonzero(clips["actor"] == clips["actor"][0])
    recognizer = Recognizer(open_bundle(str(finished.folder / "models" / "bundle.zip")))
    arrays = {name: artifacts.open_array(data / f"{name}.npy")[rows] for name in ("features_1d", "spectrograms")}
    stored = [row["name"] for row in artifacts.read_csv(data / "features_1d.csv")]
    read = [stored.index(name) for name in recognizer.names["features_1d"]]  # a recognizer computes no other
    frames, mels = (array.astype(np.float32) for array in arrays.values())
    profile = recognizer.profile_of([(frames[..., read], mels)])
    for name in ("cnn1d", "cnn2d"):
        network = find_network(name)
        columns = network.columns_of(params, artifacts.read_csv(data / f"{network.features}.csv"))
        keras_model = artifacts.read_model(finished.folder / "models" / f"{name}.keras")
        width = keras_model.input_shape[1][1]
        given = arrays[network.features][..., columns]
        expected = clip_sums(answer_with(keras_model), given, columns=len(columns), width=width).sum(axis=0)
        np.testing.assert_allclose(profile.sums[name], expected, rtol=1e-4, atol=1e-2)


def held_out_speech(actors: int):
    """Clips of CREMA-D whose actors chose the epoch of the shipped networks, and trained nothing."""
    corpus = next((folder for folder in REAL_CORPORA if folder.is_dir()), None)
    if corpus is None:
        pytest.skip("no real speech in ../shared/crema-d or data/crema-d")
    listing = list_corpus(str(corpus), "crema-d", words_of(None))
    split = open_bundle(None).about["params"]["split"]
    subset_of = published_partition(split["protocol"], split["fold"])
    own = sorted({u.name.actor for u in listing.utterances.values() if subset_of[u.name.actor] == "validation"})
    for path, utterance in list(listing.utterances.items()):
        if utterance.name.actor not in own[:actors]:
            del listing.utterances[path]
    return listing


@pytest.mark.real_speech
@pytest.mark.slow
def test_a_profile_helps_on_real_speech_and_a_gain_changes_nothing():
    from ser.answers.evaluation import evaluate_corpus, outcomes_with_profiles
    from ser.answers.files import recognize_files
    from ser.audio.reading import read_audio

    listing, recognizer = held_out_speech(10), Recognizer(open_bundle(None))
    plain = evaluate_corpus(listing, recognize_files(recognizer, list(listing.utterances)), heard=None)
    known = evaluate_corpus(listing, outcomes_with_profiles(recognizer, listing, None), heard=None)
    assert plain["uar"] > 0.6
    assert known["uar"] > plain["uar"] + 0.03
    same = 0
    asked = list(listing.utterances)[::20]
    for path in asked:
        samples, sample_rate = read_audio(path)
        answers = [recognizer.recognize(samples * gain + offset, sample_rate) for gain, offset in ((1, 0), (0.1, 0.01))]
        same += answers[0].emotion == answers[1].emotion
    assert same / len(asked) > 0.95
    assert set(EMOTIONS) >= {answers[0].emotion}
