"""What users bring: each bad recording is a row of ``rejected.csv`` with its reason, and none stops the rest."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import Project, set_params, sine

from ser.corpus.listing import list_files
from ser.errors import InputError

RATE = 16000
pytestmark = pytest.mark.slow


def write(folder: Path, name: str, samples: np.ndarray, rate: int = RATE, **options) -> None:
    soundfile.write(folder / name, samples, rate, **options)


@pytest.fixture
def corpus(project: Project, rng) -> Path:
    """A folder of 12 actors with six good clips each, and the project set to it."""
    folder = project.folder / "data" / "mine" / "AudioWAV"
    folder.mkdir(parents=True)
    for actor in range(1, 13):
        for code in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"):
            write(folder, f"{actor}_DFA_{code}_XX.wav", 0.1 * rng.standard_normal(RATE))
    set_params(project.folder, {"corpus.dir": "data/mine", "corpus.max_rejected_fraction": 0.5})
    return folder


def rejected(project: Project) -> dict[str, str]:
    """Run ``split`` and read what it rejected."""
    done = project.stage("split")
    assert done.returncode == 0, done.stderr
    with open(project.folder / "data" / "rejected.csv", newline="") as file:
        rows = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert f"{len(rows)} rejected" in done.stdout
    return rows


def test_every_bad_recording_is_rejected_with_its_reason(project, corpus, rng):
    whole = (corpus / "1_DFA_ANG_XX.wav").read_bytes()
    tone = sine(300.0)
    (corpus / "1_IEO_ANG_LO.wav").write_bytes(b"")
    (corpus / "1_IEO_ANG_MD.wav").write_bytes(whole[:30])
    (corpus / "1_IEO_ANG_HI.wav").write_bytes(whole[:9000])
    (corpus / "1_TIE_ANG_XX.wav").write_text("dear diary")
    write(corpus, "1_IOM_ANG_XX.wav", np.where(np.arange(RATE) == 5, np.nan, tone), subtype="FLOAT")
    write(corpus, "1_IWW_ANG_XX.wav", np.where(np.arange(RATE) == 5, np.inf, tone), subtype="FLOAT")
    write(corpus, "1_TAI_ANG_XX.wav", np.zeros(RATE))
    write(corpus, "1_MTI_ANG_XX.wav", tone[:320])
    write(corpus, "1_IWL_ANG_XX.wav", 0.1 * rng.standard_normal(300 * 8000), 8000)
    write(corpus, "holiday.wav", tone)
    write(corpus, "1_ITH_JOY_XX.wav", tone)
    (corpus / "1_ITS_ANG_XX.wav").write_bytes((corpus / "2_DFA_SAD_XX.wav").read_bytes())
    (corpus / "1_TSI_ANG_XX.wav").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (corpus / "notes.txt").write_text("not a clip")
    (corpus / ".DS_Store").write_bytes(b"hidden files are no clips")
    reasons = rejected(project)
    expected = {
        "1_IEO_ANG_LO.wav": "an empty file",
        "1_IEO_ANG_MD.wav": "cut short, 30 of",
        "1_IEO_ANG_HI.wav": "cut short, 9000 of",
        "1_TIE_ANG_XX.wav": "not a sound file",
        "1_IOM_ANG_XX.wav": "1 samples are NaN or infinite",
        "1_IWW_ANG_XX.wav": "1 samples are NaN or infinite",
        "1_TAI_ANG_XX.wav": "digital silence",
        "1_MTI_ANG_XX.wav": "too short: 0.020 s",
        "1_IWL_ANG_XX.wav": "too long: 300.0 s",
        "holiday.wav": "not CREMA-D's ACTOR_SENTENCE_EMOTION_LEVEL",
        "1_ITH_JOY_XX.wav": "unknown emotion 'JOY'",
        "1_ITS_ANG_XX.wav": "the same sound under two labels",
        "2_DFA_SAD_XX.wav": "the same sound under two labels",
        "1_TSI_ANG_XX.wav": "git lfs pull",
        "notes.txt": "no clip by its name",
    }
    assert set(reasons) == set(expected)
    for file, reason in expected.items():
        assert reason in reasons[file], file


def test_formats_of_every_kind_pass_and_become_signals(project, corpus):
    tone = sine(300.0)
    write(corpus, "1_IEO_ANG_LO.wav", 0.9 * tone, subtype="PCM_U8")
    write(corpus, "1_IEO_ANG_MD.wav", 0.8 * tone, subtype="PCM_24")
    write(corpus, "1_IEO_ANG_HI.wav", 0.7 * tone, subtype="FLOAT")
    write(corpus, "1_TIE_ANG_XX.wav", tone[:8000], 8000)
    write(corpus, "1_IOM_ANG_XX.wav", sine(300.0, seconds=2.75), 44100)
    write(corpus, "1_IWW_ANG_XX.flac", np.stack([tone, 0.5 * tone], axis=1))
    assert rejected(project) == {}
    done = project.stage("preprocess")
    assert done.returncode == 0, done.stderr
    assert np.load(project.folder / "data" / "signals.npy").shape == (78, RATE)


def fails(project: Project, message: str, stage: str = "split") -> None:
    done = project.stage(stage)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_too_many_rejected_clips_stop_the_run(project, corpus):
    set_params(project.folder, {"corpus.max_rejected_fraction": 0.01})
    (corpus / "1_IEO_ANG_LO.wav").write_bytes(b"")
    fails(project, "1 of 73 clips were rejected, more than corpus.max_rejected_fraction 0.01")


def test_a_corpus_of_bad_clips_alone_stops_even_where_all_may_be_rejected(project, corpus):
    set_params(project.folder, {"corpus.max_rejected_fraction": 1.0})
    for file in corpus.iterdir():
        file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    fails(project, "72 of 72 clips were rejected")
    fails(project, "git lfs pull")


def test_a_missing_and_an_empty_folder_say_what_to_do(project):
    set_params(project.folder, {"corpus.dir": "data/nowhere"})
    fails(project, "no such folder. The corpus must be the folder that holds AudioWAV/")
    (project.folder / "data" / "nowhere" / "AudioWAV").mkdir(parents=True)
    fails(project, "holds no file. Was the download finished?")


def test_a_folder_without_permission(monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\). Check its permissions"):
        list_files(Path("somewhere"))


def test_fewer_actors_than_subsets(project, corpus):
    for file in corpus.iterdir():
        if file.name.split("_")[0] not in ("1", "2"):
            file.unlink()
    fails(project, "2 actors cannot be divided into 3 subsets")


def test_a_damaged_table_says_which(project, corpus):
    (corpus.parent / "VideoDemographics.csv").write_text("Actor,Years\n1,20\n")
    fails(project, "VideoDemographics.csv: ")


def test_impossible_parameters_stop_a_stage_with_one_line_each(project):
    set_params(project.folder, {"features_1d.hop_length": 0, "preprocess.duration_seconds": -1.0})
    fails(project, "params.yaml: features_1d.hop_length is 0")
    fails(project, "params.yaml: preprocess.duration_seconds is -1.0", stage="preprocess")


def test_a_stage_before_its_input_names_the_file(project):
    fails(project, "data/clips.parquet: no such file. 'dvc repro' runs the stages", stage="preprocess")


def test_a_wrong_number_of_workers(project):
    done = project.run(sys.executable, "-m", "stages.demo_corpus", check=False, SER_WORKERS="many")
    assert done.returncode == 1
    assert "SER_WORKERS is 'many': expected a whole number from 1" in done.stderr
