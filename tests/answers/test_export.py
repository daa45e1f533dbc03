"""The bundle: what the pipeline writes, and what is refused."""

import io as streams
import json
import os
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from helpers import ROOT, sine
from soundfile import write

from ser import artifacts, cli
from ser.answers import recognizer as recognizer_module
from ser.answers.bundle import Bundle, other_versions, pack, unpack
from ser.answers.card import card
from ser.answers.recognizer import Recognizer
from ser.answers.windows import LONGEST_WHOLE_SECONDS
from ser.audio.reading import read_audio
from ser.corpus.formats import DEMO
from ser.emotions import EMOTIONS
from ser.errors import InputError, NoAnswer

SHIPPED = unpack(files("ser").joinpath("pretrained.zip").read_bytes(), name="b")
ADDED = ("format", "format_version", "networks", "hash")  # by pack
SMALL = {name: replace(own, model=name.encode()) for name, own in SHIPPED.networks.items()}
ABOUT = {key: value for key, value in SHIPPED.about.items() if key not in ADDED}


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
    return pack(ABOUT, SMALL)


def test_a_bundle_comes_back_whole(packed):
    bundle = unpack(packed, name="b")
    assert bundle.networks == SMALL
    assert bundle.about["emotions"] == list(EMOTIONS)
    assert packed == pack(ABOUT, SMALL)


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
        (lambda b: with_about(b, format_version=2), "bundle format 2; this version of ser reads 5"),
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
        ({"temperature": 0.0}, "temperature is '0.0'"),
        ({"temperature": "a"}, "temperature is 'a'"),
        ({"temperature": True}, "temperature is 'True'"),
        ({"temperature": 1e308}, "temperature"),
        ({"threshold": 2.0}, "threshold"),
        ({"metrics": None}, "metrics"),
        ({"params": {}}, "corpus: Field required"),
        ({"params": {"corpus": {"labels": None}, "evaluate": {"fusion_weights": {}}}}, "preprocess: Field required"),
        ({"params": ABOUT["params"] | {"preprocess": 5}}, "preprocess"),
        ({"emotions": ["joy"]}, "emotions"),
        ({"emotions": ["joy", "anger"]}, "emotions.*alphabet"),
        ({"emotions": ["anger", "anger"]}, "emotions.*alphabet"),
        ({"emotions": ["anger", "\x1b[2J"]}, "emotions.1"),
        ({"surprise": 1}, "surprise"),
        ({f"extra{i}": i for i in range(20_000)}, "extra0"),
        ({"versions": {f"package{i}": "1" for i in range(20_000)}}, "versions"),
    ],
)
def test_a_whole_bundle_that_says_something_impossible_is_refused(changes, message):
    with pytest.raises(InputError, match=message) as refused:
        unpack(pack(ABOUT | changes, SMALL), name="b")
    assert str(refused.value).startswith("b: ")
    assert "\n" not in str(refused.value)


def leaves(content, path=()) -> list[tuple]:
    """The place of every value of a nested description, blocks included."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [place for key, value in items for place in [(*path, key), *leaves(value, (*path, key))]]


STRANGE = (None, True, [], {}, "", "x" * 5000, -1, 0, 10**30, 1e308, -1e-308, 5, [[]], {"a": {}}, float("nan"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_mutated_descriptions_with_a_right_hash_are_refused_or_answer_as_before(seed, monkeypatch):
    """Fifty mutations each: a value replaced anywhere in the description. The networks are opened once."""
    opened = {name: recognizer_module._session(own.model, name, SHIPPED, 1) for name, own in SHIPPED.networks.items()}
    monkeypatch.setattr(recognizer_module, "_session", lambda network, name, bundle, threads: opened[name])
    rng = np.random.default_rng(seed)
    samples = np.stack([sine(200, seconds=2)], axis=1)
    places, refusals = leaves(ABOUT), []
    for _ in range(50):
        about = json.loads(json.dumps(ABOUT))
        *parents, last = places[rng.integers(len(places))]
        block = about
        for key in parents:
            block = block[key]
        block[last] = STRANGE[rng.integers(len(STRANGE))]
        try:
            recognizer = Recognizer(unpack(pack(about, SMALL), name="b"))
            card(recognizer.about)
        except InputError as error:
            refusals.append(str(error))
            continue
        with suppress(NoAnswer):
            assert np.isfinite(recognizer.recognize(samples, 16000).probabilities).all()
    assert all(line.startswith("b: ") for line in refusals)
    assert not any("\n" in line for line in refusals)


def with_model(model: bytes) -> dict:
    """The shipped networks, with another ONNX file for the first."""
    return SHIPPED.networks | {"cnn1d": replace(SHIPPED.networks["cnn1d"], model=model)}


def mutated(network: bytes, rng: np.random.Generator) -> bytes:
    """A network with some of its bytes changed, most of them where its structure is."""
    changed = bytearray(network)
    for place in rng.integers(0, len(network) if rng.random() < 0.3 else 4000, rng.integers(1, 6)):
        changed[-place if rng.random() < 0.5 else place] = rng.integers(256)
    return bytes(changed)


@pytest.mark.slow
def test_mutated_networks_with_a_right_hash_never_end_the_process():
    """In a process of its own, since a crash would end the tests: each is refused in a line or gives probabilities."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    command = [sys.executable, __file__, "100"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sum(map(int, done.stdout.splitlines()[-1].split())) == 100


def count_mutations(number: int) -> None:
    """Print how many of mutated networks were refused and how many answered."""
    rng, refusals = np.random.default_rng(0), []
    for _ in range(number):
        networks = with_model(mutated(SHIPPED.networks["cnn1d"].model, rng))
        try:
            Recognizer(replace(SHIPPED, networks=networks))
        except InputError as error:
            refusals.append(str(error))
    assert all(line.startswith("b: ") for line in refusals), refusals
    print(len(refusals), number - len(refusals))


def test_a_network_that_reads_another_file_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(SHIPPED.networks["cnn1d"].model)
    tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    (tmp_path / "weights").write_bytes(tensor.raw_data)
    onnx.external_data_helper.set_external_data(tensor, location=str(tmp_path / "weights"))
    tensor.ClearField("raw_data")
    networks = with_model(model.SerializeToString())
    with pytest.raises(InputError, match="wants to read another file"):
        Recognizer(unpack(pack(ABOUT, networks), name="b"))


def test_a_network_that_could_loop_for_ever_is_refused():
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(SHIPPED.networks["cnn1d"].model)
    model.graph.node[0].op_type = "Loop"
    networks = with_model(model.SerializeToString())
    with pytest.raises(InputError, match="operator 'Loop'"):
        Recognizer(unpack(pack(ABOUT, networks), name="b"))


def test_an_archive_with_anything_else_in_it_is_refused(packed):
    added = streams.BytesIO(packed)
    with zipfile.ZipFile(added, "a") as archive:
        archive.writestr("../../evil.py", b"")
    with pytest.raises(InputError, match=r"holds \.\./\.\./evil"):
        unpack(added.getvalue(), name="b")


def test_a_bundle_of_the_demo_corpus_is_cautioned_against(capsys, tmp_path):
    about = ABOUT | {"corpus": ABOUT["corpus"] | {"name": DEMO["name"]}}
    (tmp_path / "bundle.zip").write_bytes(pack(about, SHIPPED.networks))
    write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 16000), 16000)
    cli.main(["predict", "--json", "--model", str(tmp_path / "bundle.zip"), str(tmp_path / "a.wav")])
    printed = capsys.readouterr()
    assert "synthetic" in json.loads(printed.out)["caution"]
    assert "synthetic" in printed.err


@pytest.mark.pipeline
def test_networks_that_are_none_or_exchanged_are_refused(finished):
    bundle = unpack((finished.folder / "models" / "bundle.zip").read_bytes(), name="b")
    with pytest.raises(InputError, match="cannot be opened"):
        Recognizer(Bundle(bundle.about, {n: replace(own, model=b"junk") for n, own in bundle.networks.items()}))
    first, second = bundle.networks.values()
    exchanged = {"cnn1d": replace(first, model=second.model), "cnn2d": replace(second, model=first.model)}
    with pytest.raises(InputError, match=r"features a frame|do not work together"):
        Recognizer(Bundle(bundle.about, exchanged))


def test_another_version_of_a_computing_package_is_said():
    (line,) = other_versions({"versions": {"numpy": "0.1.0", "keras": "0.1", "scipy": __import__("scipy").__version__}})
    assert line.startswith("numpy 0.1.0, here ")


@pytest.mark.pipeline
def test_the_bundle_answers_what_evaluate_wrote(finished):
    """From the recording through ONNX Runtime, for every test clip, each network and the calibrated answer."""
    predictions = artifacts.read_parquet(finished.folder / "data" / "predictions.parquet")
    bundle = unpack((finished.folder / "models" / "bundle.zip").read_bytes(), name="b")
    recognizer = Recognizer(bundle)
    files = artifacts.read_parquet(finished.folder / "data" / "clips.parquet")["file"]
    tested = predictions.index[predictions["subset"] == "test"]
    assert len(tested) >= 12
    for row in tested:
        samples, sample_rate = read_audio(finished.folder / "data" / "demo" / "AudioWAV" / files[row])
        assert len(samples) <= LONGEST_WHOLE_SECONDS * sample_rate
        found = recognizer.recognize(samples, sample_rate)
        for name, given in (found.networks | {"calibrated": found.probabilities}).items():
            written = predictions.loc[row, [f"{name}_{emotion}" for emotion in EMOTIONS]].astype(float)
            np.testing.assert_allclose(given, written, atol=1e-4)
    assert bundle.about["metrics"]["fusion"] == artifacts.read_json(finished.folder / "metrics" / "fusion.json")


if __name__ == "__main__":
    count_mutations(int(sys.argv[1]))
