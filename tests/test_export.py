"""The bundle: what the pipeline writes, and what is refused."""

import io as streams
import json
import zipfile

import numpy as np
import pytest

from ser import io
from ser.bundle import Bundle, other_versions, pack, unpack
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.recognizer import LONGEST_WHOLE_SECONDS, Recognizer

ABOUT = {
    "versions": {"numpy": "0.1.0"},
    "params": {key: {} for key in ("preprocess", "features_1d", "spectrograms", "training", "train_cnn1d")},
    **{"temperature": 1.0, "threshold": 0.4, "corpus": {}, "metrics": {}},
}


def repacked(packed: bytes, changes: dict[str, bytes | None]) -> bytes:
    """A bundle with some of its files replaced or left out."""
    target = streams.BytesIO()
    with zipfile.ZipFile(streams.BytesIO(packed)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if changes.get(name, b"") is not None:
                new.writestr(name, changes.get(name) or old.read(name))
    return target.getvalue()


@pytest.fixture
def packed() -> bytes:
    return pack(ABOUT, {"cnn1d": b"first", "cnn2d": b"second"})


def test_a_bundle_comes_back_whole(packed):
    bundle = unpack(packed, name="b")
    assert bundle.networks == {"cnn1d": b"first", "cnn2d": b"second"}
    assert bundle.about["emotions"] == list(EMOTIONS)
    assert packed == pack(ABOUT, {"cnn1d": b"first", "cnn2d": b"second"})


def with_about(packed: bytes, **changes) -> bytes:
    about = json.loads(zipfile.ZipFile(streams.BytesIO(packed)).read("bundle.json"))
    return repacked(packed, {"bundle.json": json.dumps(about | changes).encode()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"", "damaged"),
        (lambda b: b[: len(b) // 2], "damaged"),
        (lambda b: b"\x80\x04\x95 a pickle", "damaged"),
        (lambda b: repacked(b, {"cnn1d.onnx": b"other"}), "hashes do not match"),
        (lambda b: repacked(b, {"cnn2d.onnx": None}), "hashes do not match"),
        (lambda b: repacked(b, {"bundle.json": b"{}"}), "no bundle of this project"),
        (lambda b: repacked(b, {"bundle.json": b"[1]"}), "no bundle of this project"),
        (lambda b: repacked(b, {"bundle.json": b"\xff\xfe"}), "damaged"),
        (lambda b: with_about(b, format_version=2), "bundle format 2"),
        (lambda b: with_about(b, temperature=9), "hashes do not match"),
        (lambda b: with_about(b, hash=None), "hashes do not match"),
    ],
)
def test_a_damaged_or_foreign_bundle_is_refused(packed, change, message):
    with pytest.raises(InputError, match=message):
        unpack(change(packed), name="b")


@pytest.mark.parametrize("seed", range(40))
def test_no_flipped_byte_goes_unnoticed(packed, seed):
    """Either the archive is unreadable, or a hash differs, or the byte carried nothing."""
    flipped = bytearray(packed)
    flipped[np.random.default_rng(seed).integers(len(packed))] ^= 0xFF
    try:
        bundle = unpack(bytes(flipped), name="b")
    except InputError:
        return
    assert bundle == unpack(packed, name="b")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "incomplete: temperature"),
        ({"temperature": "a"}, "incomplete: temperature"),
        ({"metrics": None}, "incomplete: metrics"),
        ({"params": {}}, r"incomplete: params\.preprocess"),
        ({"emotions": ["joy"]}, "knows the emotions"),
    ],
)
def test_a_whole_bundle_that_lacks_something_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        unpack(pack(ABOUT | changes, {"cnn1d": b"first", "cnn2d": b"second"}), name="b")


@pytest.mark.pipeline
def test_networks_that_are_none_or_exchanged_are_refused(finished):
    bundle = unpack((finished.folder / "models" / "bundle.zip").read_bytes(), name="b")
    with pytest.raises(InputError, match="cannot be opened"):
        Recognizer(Bundle(bundle.about, dict.fromkeys(bundle.networks, b"junk")))
    exchanged = dict(zip(bundle.networks, reversed(bundle.networks.values()), strict=True))
    with pytest.raises(InputError, match="features a frame"):
        Recognizer(Bundle(bundle.about, exchanged))


def test_another_version_of_a_computing_package_is_said():
    (line,) = other_versions({"versions": {"numpy": "0.1.0", "keras": "0.1", "scipy": __import__("scipy").__version__}})
    assert line.startswith("numpy 0.1.0, here ")


@pytest.mark.pipeline
def test_the_bundle_answers_what_evaluate_wrote(finished):
    """From the recording through ONNX Runtime, for every test clip, each network and the calibrated answer."""
    predictions = io.read_parquet(finished.folder / "data" / "predictions.parquet")
    bundle = unpack((finished.folder / "models" / "bundle.zip").read_bytes(), name="b")
    recognizer = Recognizer(bundle)
    files = io.read_parquet(finished.folder / "data" / "clips.parquet")["file"]
    tested = predictions.index[predictions["subset"] == "test"]
    assert len(tested) >= 12
    for row in tested:
        samples, sample_rate = io.read_audio(finished.folder / "data" / "demo" / "AudioWAV" / files[row])
        assert len(samples) <= LONGEST_WHOLE_SECONDS * sample_rate
        found = recognizer.recognize(samples, sample_rate)
        for name, given in (found.networks | {"calibrated": found.probabilities}).items():
            written = predictions.loc[row, [f"{name}_{emotion}" for emotion in EMOTIONS]].astype(float)
            np.testing.assert_allclose(given, written, atol=1e-4)
    assert bundle.about["metrics"]["fusion"] == io.read_json(finished.folder / "metrics" / "fusion.json")


@pytest.mark.pipeline
def test_a_bundle_of_normalized_speakers_is_refused_with_the_reason(finished):
    bundle = unpack((finished.folder / "models" / "bundle.zip").read_bytes(), name="b")
    bundle.about["params"]["training"]["speaker_normalization"] = True
    with pytest.raises(InputError, match="a single recording does not have"):
        Recognizer(bundle)
