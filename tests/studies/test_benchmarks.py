"""What ``make bench`` rests on: that it compares like with like, and that its page says what was measured."""

import shutil

import numpy as np
import pytest
from helpers import ROOT, get_param

from benchmarks import naive, pipeline, report, timing, workspace
from ser import artifacts

pytestmark = pytest.mark.slow

CLIPS = 4


def test_the_page_is_written_from_the_results():
    page = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")
    assert page == report.page(artifacts.read_json(ROOT / "benchmarks" / "results.json"))


def test_candidates_take_turns_and_are_compared_round_by_round():
    turns = []
    seconds = timing.alternate({name: lambda name=name: turns.append(name) for name in ("a", "b")}, repeats=3)
    assert turns == ["a", "b"] * 3
    assert [len(values) for values in seconds.values()] == [3, 3]
    assert timing.ratio([2.0, 9.0, 8.0], [1.0, 3.0, 1.0]) == 3.0


@pytest.mark.pipeline
def test_the_naive_script_computes_what_the_stages_compute(finished, tmp_path, monkeypatch):
    few = tmp_path / "few" / "AudioWAV"
    few.mkdir(parents=True)
    for file in sorted((finished.folder / "data" / "demo" / "AudioWAV").iterdir())[:CLIPS]:
        shutil.copy(file, few)
    monkeypatch.chdir(finished.folder)
    naive.main(few.parent, tmp_path / "out", "pyin")

    def both(name: str) -> tuple[np.ndarray, np.ndarray]:
        own, other = (artifacts.open_array(folder / name) for folder in (finished.folder / "data", tmp_path / "out"))
        assert own.shape[1:-1] == other.shape[1:-1]
        return own[:CLIPS].astype(np.float32), other[:CLIPS].astype(np.float32)

    def agree_in_db(own: np.ndarray, other: np.ndarray) -> None:
        # The stages read signals of float16, whose rounding is heard in the quietest bands.
        np.testing.assert_allclose(own, other, atol=0.5)
        assert np.abs(own - other).mean() < 0.02

    np.testing.assert_allclose(*both("signals.npy"), atol=1e-4)
    own, other = both("spectrograms.npy")
    assert own.shape == other.shape
    mels = get_param(finished.folder, "spectrograms.n_mels")
    agree_in_db(own[..., :mels], other[..., :mels])
    own, other = both("features_1d.npy")
    mels = get_param(finished.folder, "features_1d.n_mels")
    agree_in_db(own[..., :mels], other[..., :mels])
    np.testing.assert_allclose(own[..., mels + 2], other[..., mels + 2], atol=1e-3)  # zero-crossing rate
    assert own.shape == other.shape  # with pyin the script says as much as the stages: pitch, and how voiced
    sounding = own[..., mels] > 1e-3
    harmonicity, voiced = own[..., -1][sounding], other[..., -1][sounding]
    assert np.corrcoef(harmonicity, voiced)[0, 1] > 0.3


@pytest.mark.pipeline
def test_what_a_training_prints_is_read(finished):
    sizes, epochs = ([*pattern.finditer(finished.first_printed)] for pattern in (pipeline.SIZE, pipeline.LINE))
    assert len(sizes) == 2  # networks
    assert all(float(size["millions"]) > 0 and int(size["clips"]) > int(size["validation"]) > 0 for size in sizes)
    assert len(epochs) == sum(get_param(finished.folder, f"train_{network}.epochs") for network in ("cnn1d", "cnn2d"))
    assert all(0 <= float(epoch["uar"]) <= 1 and float(epoch["seconds"]) > 0 for epoch in epochs)


def test_a_repeated_corpus_has_new_names_and_no_sound_twice(finished, tmp_path):
    base = workspace.some_clips(finished.folder / "data" / "demo", tmp_path / "base", count=CLIPS)
    folder = workspace.repeated(base, tmp_path / "repeated", times=3) / "AudioWAV"
    contents = [file.read_bytes() for file in sorted(folder.iterdir())]
    assert len(contents) == len(set(contents)) == 3 * CLIPS
