"""``dvc.yaml`` against the code: dependencies, and what each parameter reruns."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from dvc.stage import PipelineStage
from helpers import ROOT, Project, get_param, set_params
from modules import imported_files

PLOTS = yaml.safe_load((ROOT / "plots" / "dvc.yaml").read_text())
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = GRAPH["stages"]
SCORING = ["conditions", "evaluate", "export", "summary", "report"]
PREDICTING = ["predict", "enrolment_check"]
TRAINING = ["train_cnn1d", "train_cnn2d", *PREDICTING, *SCORING]
FROM_SIGNALS = ["augment", "features_1d", "spectrograms", *TRAINING]
FROM_SPLIT = ["split", *TRAINING]  # another split recomputes no feature


# Imported, and yet no dependency: none of it can change a byte of an output.
EXEMPT = {
    "ser/errors.py": "messages",
    "ser/params.py": "checks; the values are watched by params",
    "ser/settings.py": "checks",
    "stages/shared/console.py": "messages",
    "stages/shared/key.py": "whether what was trained before counts",
}
EXEMPT_OF = {"export": {"ser/answers/bundle_schema.py": "checks of bundles that are opened"}}


def code_of(stage: str) -> set[str]:
    """Files of the project that a stage's script imports, without those that only introduce a folder."""
    exempt = EXEMPT | EXEMPT_OF.get(stage, {})
    imported = {path.as_posix() for path in imported_files(Path("stages") / f"{stage}.py", not_through=exempt)}
    return {path for path in imported if path not in exempt and not path.endswith("__init__.py")}


def covers(dependency: str, path: str) -> bool:
    return path == dependency or path.startswith(f"{dependency}/")


@pytest.mark.parametrize("stage", STAGES)
def test_dependencies_cover_what_the_script_imports_and_nothing_else(stage):
    declared = [path for path in STAGES[stage]["deps"] if path.startswith(("ser/", "stages/"))]
    imported = code_of(stage)
    assert not [path for path in imported if not any(covers(dependency, path) for dependency in declared)]
    assert not [dependency for dependency in declared if not any(covers(dependency, path) for path in imported)]


def test_a_study_depends_on_all_that_its_script_imports():
    study = yaml.safe_load((ROOT / "studies" / "dvc.yaml").read_text())["stages"]["cross_validate"]
    exempt = EXEMPT | {"ser/parallel.py": "how many run at once", "studies/__init__.py": "nothing"}
    imported = {path.as_posix() for path in imported_files(Path("studies/cross_validate.py"), not_through=exempt)}
    code = {path for path in imported if path not in exempt and not path.endswith("__init__.py")}
    reading = {"ser/audio/reading.py": "of the stage split; the index holds what it gave"}
    missing = {path for path in code if not any(covers(dependency, path) for dependency in study["deps"])}
    assert missing <= set(reading) | {"stages/shared/rows.py"}
    for training in ("train_cnn1d", "train_cnn2d"):
        deciding = {path for path in STAGES[training]["deps"] if path.startswith(("ser/", "data/"))}
        covered = {path for path in deciding if any(covers(dependency, path) for dependency in study["deps"])}
        assert deciding - covered == {"data/split.parquet"}  # a study has splits of its own
        assert set(STAGES[training]["params"]) - set(study["params"]) == {"split.protocol"}  # of the block split


@pytest.mark.parametrize("stage", ["train_cnn1d", "train_cnn2d"])
def test_a_training_depends_on_no_file_that_it_does_not_import(stage):
    """A change of the other network, of the features or of the answers retrains nothing."""
    declared = [path for path in STAGES[stage]["deps"] if path.startswith(("ser/", "stages/"))]
    files = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("ser/**/*.py")]
    covered = {file for file in files if any(covers(dependency, file) for dependency in declared)}
    assert {path for path in covered if not path.endswith("__init__.py")} <= code_of(stage)


# A file that somebody edits, and the stages that DVC runs again for it; later ones only if an output changes.
EDITS = {
    "ser/networks/cnn1d.py": ["train_cnn1d", *PREDICTING],
    "ser/networks/cnn2d.py": ["train_cnn2d", *PREDICTING],
    "ser/training/fit.py": ["train_cnn1d", "train_cnn2d", *PREDICTING],
    "ser/features/frame_features.py": ["features_1d", "spectrograms", "conditions", "report"],
    "ser/features/pitch.py": ["features_1d", "spectrograms", "conditions", "report"],
    "ser/features/pictures.py": ["spectrograms", "conditions", "report"],
    "ser/features/relative.py": ["spectrograms", "train_cnn1d", "train_cnn2d", *PREDICTING, "conditions", "report"],
    "ser/audio/augmentation.py": ["preprocess", "augment", "conditions", "summary", "report"],
    "ser/audio/preprocessing.py": ["preprocess", "augment", "conditions", "summary", "report"],
    "ser/corpus/ravdess.py": ["demo_corpus", "split", "preprocess", "augment", "conditions", "export", "report"],
    "ser/scoring/metrics.py": ["evaluate", "summary", "report"],
    "ser/report/page.py": ["report"],
    "ser/report/page.html": ["report"],
    "ser/answers/recognizer.py": ["conditions", "report"],
    "ser/answers/bundle.py": ["conditions", "export", "report"],
    "ser/params.py": [],
    "ser/errors.py": [],
    "ser/cli.py": [],
    "ser/app/server.py": [],
    "studies/tables.py": [],
}


@pytest.mark.parametrize("path", EDITS)
def test_an_edit_reruns_the_stages_that_depend_on_it(path):
    assert (ROOT / path).is_file()
    rerun = [name for name, stage in STAGES.items() if any(covers(dep, path) for dep in stage["deps"])]
    assert rerun == EDITS[path]


def test_every_stage_has_a_description_a_script_and_a_test_file():
    for name, stage in STAGES.items():
        assert stage["desc"]
        assert stage["cmd"] == f"python -m stages.{name}"
        assert (ROOT / "stages" / f"{name}.py").is_file()
        assert len([*(ROOT / "tests").rglob(f"test_{name}.py")]) == 1


def written_by(stage: dict) -> list[str]:
    """Paths of a stage's outputs and metrics; DVC writes one with options as ``{path: options}``."""
    return [out if isinstance(out, str) else next(iter(out)) for out in stage["outs"] + stage.get("metrics", [])]


def test_every_artifact_of_a_stage_has_one_maker():
    outputs = [out for stage in STAGES.values() for out in written_by(stage)]
    assert len(outputs) == len(set(outputs))


def test_confusion_plots_show_shares_of_each_actual_emotion():
    """DVC's template divides by the sums along y, so that the diagonal is the recall."""
    plots = [settings for plot in PLOTS["plots"] if isinstance(plot, dict) for settings in plot.values()]
    confusions = [plot for plot in plots if plot.get("template") == "confusion_normalized"]
    assert len(confusions) == 3
    for plot in confusions:
        assert plot["x"] == "predicted"
        assert list(plot["y"].values()) == ["actual"]


# Every parameter, another value, and the stages that the change must rerun.
RERUNS = {
    "corpus.dir": ("elsewhere", ["split", "preprocess", *FROM_SIGNALS]),
    "corpus.format": ("table", ["split", "preprocess", *FROM_SIGNALS]),
    "corpus.labels": ({"angry": "anger", "calm": "calm"}, FROM_SPLIT),
    "corpus.min_duration_seconds": (0.4, FROM_SPLIT),
    "corpus.max_duration_seconds": (50.0, FROM_SPLIT),
    "corpus.max_rejected_fraction": (0.04, FROM_SPLIT),
    "demo_corpus.actors": (7, ["demo_corpus", "split", "preprocess", *FROM_SIGNALS]),
    "demo_corpus.sentences_per_emotion": (3, ["demo_corpus", "split", "preprocess", *FROM_SIGNALS]),
    "demo_corpus.seed": (1, ["demo_corpus", "split", "preprocess", *FROM_SIGNALS]),
    "split.protocol": ("clip", FROM_SPLIT),
    "split.fold": (2, FROM_SPLIT),
    "split.train_fraction": (0.5, FROM_SPLIT),
    "split.validation_fraction": (0.3, FROM_SPLIT),
    "split.test_fraction": (0.3, FROM_SPLIT),
    "split.seed": (1, FROM_SPLIT),
    "preprocess.sample_rate": (8000, ["preprocess", *FROM_SIGNALS]),
    "preprocess.duration_seconds": (2.0, ["preprocess", *FROM_SIGNALS]),
    "preprocess.highpass_hz": (0.0, ["preprocess", *FROM_SIGNALS]),
    "preprocess.spectral_subtraction.enabled": (True, ["preprocess", *FROM_SIGNALS]),
    "preprocess.spectral_subtraction.over_subtraction": (1.5, ["preprocess", *FROM_SIGNALS]),
    "preprocess.spectral_subtraction.floor": (0.03, ["preprocess", *FROM_SIGNALS]),
    "preprocess.spectral_subtraction.noise_fraction": (0.2, ["preprocess", *FROM_SIGNALS]),
    "preprocess.remove_silence.where": ("nowhere", ["preprocess", *FROM_SIGNALS]),
    "preprocess.remove_silence.top_db": (40.0, ["preprocess", *FROM_SIGNALS]),
    "preprocess.preemphasis": (0.97, ["preprocess", *FROM_SIGNALS]),
    "preprocess.normalize_audio": (True, ["preprocess", *FROM_SIGNALS]),
    **{
        f"augment.{key}": (value, FROM_SIGNALS)
        for key, value in {
            "noise_max_amplitude": 0.05,
            "shift_step_samples": 1000,
            "shift_max_steps": 4,
            "pitch_max_semitones": 1.0,
            "devices": 2,
            "device.microphone": 0.5,
            "device.room": 0.5,
            "device.noise": 0.5,
            "device.babble": 0.5,
            "device.snr_db": [0.0, 30.0],
            "device.band_limit": 0.5,
            "device.telephone": 0.5,
            "device.clipping": 0.5,
            "device.gain_control": 0.5,
            "seed": 1,
        }.items()
    },
    **{
        f"features_1d.{key}": (value, ["features_1d", "train_cnn1d", *PREDICTING, *SCORING])
        for key, value in {
            "n_fft": 1024,
            "hop_length": 200,
            "n_mels": 32,
            "fmin_hz": 40.0,
            "fmax_hz": 7000.0,
            "n_mfcc": 13,
        }.items()
    },
    **{
        f"features_1d.{key}": (value, ["features_1d", "spectrograms", *TRAINING])
        for key, value in {
            "sub_frames": 4,
            "pitch_frame_length": 2048,
            "pitch_fmin_hz": 70.0,
            "pitch_fmax_hz": 400.0,
        }.items()
    },
    **{
        f"spectrograms.{key}": (value, ["spectrograms", "train_cnn2d", *PREDICTING, *SCORING])
        for key, value in {
            "n_fft": 512,
            "hop_length": 200,
            "n_mels": 32,
            "fmin_hz": 40.0,
            "fmax_hz": 7000.0,
            "tracks": [],
        }.items()
    },
    **{
        f"training.{key}": (value, TRAINING)
        for key, value in {
            "precision": "bfloat16",
            "original_share": 0.5,
            "group_clips": 10,
            "enrolment.p_none": 0.2,
            "enrolment.p_neutral": 0.2,
            "enrolment.p_one_emotion": 0.2,
            "enrolment.p_two_emotions": 0.2,
            "enrolment.p_other_speaker": 0.2,
            "enrolment.p_mixed_channels": 0.2,
            "soft_labels": 0.5,
            "class_weights": True,
            "label_smoothing": 0.1,
            "batch_size": 32,
            "learning_rate": 0.001,
            "warmup_fraction": 0.2,
            "weight_decay": 0.02,
            "on_the_fly.max_rate": 0.2,
            "on_the_fly.max_shift_seconds": 0.3,
            "on_the_fly.max_warp": 0.1,
            "on_the_fly.time_masks": 2,
            "on_the_fly.time_mask_seconds": 0.2,
            "on_the_fly.mel_masks": 2,
            "on_the_fly.mel_mask_share": 0.1,
            "on_the_fly.mixup_alpha": 0.2,
        }.items()
    },
    "training.copies": (["noise"], FROM_SIGNALS),
    **{
        f"train_cnn1d.{key}": (value, ["train_cnn1d", *PREDICTING, *SCORING])
        for key, value in {
            "families": ["mfcc"],
            "width": 64,
            "blocks": 3,
            "spatial_dropout": 0.2,
            "dropout": 0.4,
            "epochs": 7,
            "patience_epochs": 5,
            "seed": 1,
        }.items()
    },
    **{
        f"train_cnn2d.{key}": (value, ["train_cnn2d", *PREDICTING, *SCORING])
        for key, value in {
            "width": 24,
            "stages": 2,
            "time_width": 64,
            "time_blocks": 1,
            "spatial_dropout": 0.2,
            "dropout": 0.4,
            "epochs": 7,
            "patience_epochs": 5,
            "seed": 1,
        }.items()
    },
    "evaluate.bootstrap_samples": (500, SCORING[1:]),
    "evaluate.fusion_weights.cnn1d": (1.0, SCORING),
    "evaluate.fusion_weights.cnn2d": (3.0, SCORING),
    "evaluate.not_sure_below": (0.5, SCORING[1:]),
    "evaluate.least_temperature": (1.0, SCORING[1:]),
    "evaluate.seed": (1, SCORING[1:]),
    **{
        f"enrolment_check.{key}": (value, ["enrolment_check", "export", "report"])
        for key, value in {"false_alarms": 0.1, "seed": 1}.items()
    },
    "conditions.clips": (10, ["conditions", "summary", "report"]),
    "conditions.microphones": ("elsewhere", ["conditions", "summary", "report"]),
    "conditions.seed": (1, ["conditions", "summary", "report"]),
}


def watchers(key: str) -> frozenset[tuple[str, str]]:
    """Which stages watch a parameter, and by which entry of their ``params``: all that DVC knows of it."""
    return frozenset(
        (name, entry)
        for name, stage in STAGES.items()
        for entry in stage["params"]
        if key == entry or key.startswith(f"{entry}.")
    )


# Parameters watched by the same entries are one to DVC: one of them is changed for real.
ALIKE: dict[frozenset, list[str]] = {}
for parameter in RERUNS:
    ALIKE.setdefault(watchers(parameter), []).append(parameter)

STAND_IN = """
import hashlib, json, pathlib, sys, yaml
stage = yaml.safe_load(open("dvc.yaml"))["stages"][sys.argv[1]]
params = yaml.safe_load(open("params.yaml"))
def value(key):
    found = params
    for part in key.split("."):
        found = found[part]
    return found
def content(path):
    path = pathlib.Path(path.replace("${corpus.dir}", params["corpus"]["dir"]))
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file.read_text() for file in files if file.is_file()]
data = [content(dep) for dep in stage["deps"] if not dep.startswith(("ser/", "stages/"))]
everything = {key: value(key) for key in stage["params"]}
for out in stage["outs"] + stage.get("metrics", []):
    out = out if isinstance(out, str) else next(iter(out))
    # The index of clips says nothing of their split: it keeps its bytes.
    known = data if out in ("data/clips.parquet", "data/rejected.csv") else [data, everything]
    path = pathlib.Path(out)
    path = path if path.suffix else path / "file"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(hashlib.sha256(json.dumps([out, known], sort_keys=True).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project's graph with a stand-in for every script, which writes a hash of what the stage declares."""
    project = Project(tmp_path_factory.mktemp("graph") / "project", {})
    (project.folder / "stand_in.py").write_text(STAND_IN.lstrip())
    content = {**GRAPH, "plots": [], "stages": json.loads(json.dumps(STAGES))}
    for name, stage in content["stages"].items():
        stage["cmd"] = f"{sys.executable} stand_in.py {name}"
    (project.folder / "dvc.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    project.repro()
    shutil.copytree(project.folder / "data" / "demo", project.folder / "elsewhere")
    (project.folder / "elsewhere" / "other").write_text("other recordings")
    return project


def test_the_table_has_every_parameter():
    def keys(block: dict, prefix: str = "") -> set[str]:
        return set().union(
            *(keys(v, f"{prefix}{k}.") if isinstance(v, dict) else {f"{prefix}{k}"} for k, v in block.items())
        )

    assert set(RERUNS) == keys(yaml.safe_load((ROOT / "params.yaml").read_text()))


@pytest.mark.parametrize("keys", ALIKE.values(), ids=lambda keys: keys[0])
def test_parameters_that_are_watched_alike_rerun_alike(keys):
    assert watchers(keys[0])
    assert all(RERUNS[key][1] == RERUNS[keys[0]][1] for key in keys)


def kept_in_git() -> list[str]:
    """Outputs that Git keeps instead of DVC's cache."""
    outputs = [out for stage in STAGES.values() for out in stage["outs"] + stage.get("metrics", [])]
    return [next(iter(out)) for out in outputs if isinstance(out, dict)]


@pytest.mark.pipeline
@pytest.mark.parametrize("key", [keys[0] for keys in ALIKE.values()])
def test_a_parameter_reruns_exactly_the_stages_that_depend_on_it(graph, key, monkeypatch):
    monkeypatch.chdir(graph.folder)
    monkeypatch.setattr(PipelineStage, "dump", lambda *_, **__: None)  # dvc.lock stays; writing it is half of the time
    new, expected = RERUNS[key]
    old = get_param(graph.folder, key)
    assert new != old
    before = {path: path.read_bytes() for path in map(graph.folder.joinpath, kept_in_git())}
    try:
        set_params(graph.folder, {key: new})
        with Repo(graph.folder) as repo:
            ran = [stage.name for stage in repo.reproduce(no_commit=True, run_cache=False)]
        assert sorted(ran) == sorted(expected)
    finally:
        set_params(graph.folder, {key: old})
        for path, content in before.items():
            path.write_bytes(content)
        with Repo(graph.folder) as repo:
            repo.checkout(force=True)


@pytest.mark.pipeline
def test_no_change_reruns_nothing(graph):
    assert graph.repro() == []
