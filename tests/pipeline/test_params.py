from pathlib import Path

import pytest
from helpers import ROOT, set_params

from ser.errors import InputError
from ser.params import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path


def test_the_projects_own_parameters_are_valid():
    assert load(ROOT / "params.yaml").split.protocol == "speaker"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("features_1d.hop_length", 0, "features_1d.hop_length is 0"),
        ("preprocess.duration_seconds", -1.0, "preprocess.duration_seconds is -1.0"),
        ("preprocess.remove_silence.where", "middle", "'middle'"),
        ("split.test_fraction", 0.5, "sum to 1.3, not to 1"),
        ("split.protocol", "random", "'random'"),
        ("features_1d.n_fft", 401, "features_1d.n_fft is 401"),
        ("split.fold", 6, "split.fold is 6"),
        ("split.seed", -1, "split.seed is -1"),
        ("training.learning_rate", "1e-3", "0.001"),
        ("training.batch_size", 6.5, "training.batch_size is 6.5"),
        ("training.copies", ["echo"], "training: copies names 'echo'"),
        ("augment.device.snr_db", [38.0, 5.0], "lower value first"),
        ("corpus.min_duration_seconds", 100.0, "below max_duration_seconds"),
        ("train_cnn1d.epochs", 0, "train_cnn1d.epochs is 0"),
        ("evaluate.fusion_weights", {"cnn3d": 2.0}, "fusion_weights names cnn3d; expected some of cnn1d, cnn2d"),
    ],
)
def test_impossible_values_name_the_key_and_the_value(folder, key, value, message):
    set_params(folder, {key: value})
    with pytest.raises(InputError, match=r"params\.yaml") as error:
        load(folder / "params.yaml")
    assert message in str(error.value)


def test_an_unknown_key_and_a_missing_one_are_both_told(folder):
    text = (folder / "params.yaml").read_text().replace("  fold:", "  flod:")
    (folder / "params.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        load(folder / "params.yaml")
    assert "split.fold is missing" in str(error.value)
    assert "split.flod is not a parameter" in str(error.value)


@pytest.mark.parametrize(
    ("former", "message"),
    [("level: false", "training.level is gone"), ("references: {none: 0.3}", "is now training.enrolment")],
)
def test_a_parameter_of_an_earlier_release_is_refused_with_what_became_of_it(folder, former, message):
    text = (folder / "params.yaml").read_text().replace("  precision: float32", f"  {former}\n  precision: float32")
    (folder / "params.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load(folder / "params.yaml")


def test_no_file_and_no_yaml(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(InputError, match="not YAML"):
        load(tmp_path / "params.yaml")


@pytest.mark.network
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_cnn1d.families": []}, "train_cnn1d.families is []"),
        ({"train_cnn1d.width": "wide"}, "train_cnn1d.width is 'wide'"),
        ({"train_cnn1d.width": 4}, "train_cnn1d.width is 4"),
    ],
)
def test_a_network_checks_its_own_block(folder, changes, message):
    from ser.networks.network import find_network

    set_params(folder, changes)
    with pytest.raises(InputError, match=r"^params\.yaml: ") as error:
        find_network("cnn1d").settings_of(load(folder / "params.yaml"))
    assert message in str(error.value)


@pytest.mark.network
def test_a_block_without_a_network_says_so(folder):
    from ser.networks.network import find_network

    text = (folder / "params.yaml").read_text().replace("train_cnn1d:", "train_crnn:").replace("{cnn1d:", "{crnn:")
    (folder / "params.yaml").write_text(text)
    (name, *_) = load(folder / "params.yaml").networks
    with pytest.raises(InputError, match=r"train_crnn: ser/networks/crnn\.py does not define NETWORK"):
        find_network(name)
