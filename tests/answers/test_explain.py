"""What the 2D network looked at, and the picture of an answer."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from ser import cli
from ser.answers.occlusion import occlusion_map

PATCH_FRAMES, PATCH_MELS = 16, 8  # a quarter of a second of 16 ms, an eighth of 64 bands


def params_of(n_mels: int) -> SimpleNamespace:
    return SimpleNamespace(
        spectrograms=SimpleNamespace(n_mels=n_mels, hop_length=256), preprocess=SimpleNamespace(sample_rate=16000)
    )


class Looker:
    """Stands for a recognizer whose answer rests on the energy in one part of the spectrogram alone."""

    params = params_of(64)
    part = (slice(40, 56), slice(24, 32))

    def probabilities_of(self, name: str, given: np.ndarray) -> np.ndarray:
        assert name == "cnn2d"
        share = given[:, *self.part].mean(axis=(1, 2)) / 60
        return np.stack([share, 1 - share], axis=1)


def test_the_map_finds_the_part_that_the_answer_rests_on():
    mels = np.full((100, 64), 20, np.float32)
    mels[Looker.part] = 60
    mels[80:] = 0
    found = occlusion_map(Looker(), "cnn2d", mels, 0)
    assert found.shape == (100, 64)
    frame, band = np.unravel_index(found.argmax(), found.shape)
    assert 40 <= frame < 56
    assert 24 <= band < 32
    far = np.ones(found.shape, bool)
    far[40 - PATCH_FRAMES : 56 + PATCH_FRAMES, 24 - PATCH_MELS : 32 + PATCH_MELS] = False
    assert np.abs(found[far]).max() < 1e-6
    assert found.max() > 0.1
    other = occlusion_map(Looker(), "cnn2d", mels, 1)
    np.testing.assert_allclose(other, -found, atol=1e-6)


def test_a_pause_hides_nothing_of_the_end():
    mels = np.full((100, 64), 20, np.float32)
    mels[Looker.part] = 60
    mels[5:38] = 0  # digital silence before it
    mels[60:] = 0
    found = occlusion_map(Looker(), "cnn2d", mels, 0)
    assert (found[40:56, 24:32] > 0).all()


def test_padding_stays_padding():
    seen = []
    mels = np.full((50, 16), 30, np.float32)
    mels[20:] = 0

    def remember(_, given):
        seen.append(given)
        return np.full((len(given), 6), 1 / 6)

    assert not occlusion_map(SimpleNamespace(params=params_of(16), probabilities_of=remember), "cnn2d", mels, 0).any()
    assert not any(given[:, 20:].any() for given in seen)


@pytest.mark.pipeline
@pytest.mark.parametrize("repeats", [1, 8])
def test_a_picture_is_written(finished, tmp_path, capsys, repeats):
    clip = sorted((finished.folder / "data" / "demo" / "AudioWAV").glob("*.wav"))[0]
    samples, sample_rate = soundfile.read(clip)
    soundfile.write(tmp_path / "voice.wav", np.tile(samples, repeats), sample_rate)
    model = str(finished.folder / "models" / "bundle.zip")
    output = tmp_path / "picture.png"
    assert cli.main(["explain", str(tmp_path / "voice.wav"), "--model", model, "-o", str(output)]) == 0
    assert output.read_bytes().startswith(b"\x89PNG")
    assert output.stat().st_size > 10000
    assert (" to " in capsys.readouterr().out) == (repeats > 1)


@pytest.mark.pipeline
def test_a_recording_without_an_answer_has_no_picture(finished, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.wav", np.zeros(32000), 16000)
    model = str(finished.folder / "models" / "bundle.zip")
    assert cli.main(["explain", str(tmp_path / "silent.wav"), "--model", model]) == 1
    assert "silent" in capsys.readouterr().err


@pytest.mark.pipeline
def test_a_picture_replaces_no_recording_and_no_device(finished, tmp_path, capsys):
    clip = sorted((finished.folder / "data" / "demo" / "AudioWAV").glob("*.wav"))[0]
    recording = tmp_path / "$a$.png"
    recording.write_bytes(clip.read_bytes())
    (tmp_path / "folder.png").mkdir()
    model = str(finished.folder / "models" / "bundle.zip")
    for output in (recording, tmp_path / "folder.png", tmp_path / "a.jpg"):
        assert cli.main(["explain", str(recording), "--model", model, "-o", str(output)]) == 1
        assert str(output) in capsys.readouterr().err
    assert recording.read_bytes() == clip.read_bytes()
    assert cli.main(["explain", str(recording), "--model", model, "-o", str(tmp_path / "b.png")]) == 0
