import io as streams
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from helpers import sine

from ser import artifacts
from ser.audio.reading import read_audio
from ser.corpus.checks import check_samples, fingerprint
from ser.errors import InputError


def test_an_array_written_in_blocks_is_the_array(tmp_path, rng):
    rows = rng.standard_normal((10, 3, 2)).astype(np.float32)
    with artifacts.array_writer(tmp_path / "a.npy", shape=rows.shape, dtype=np.float16) as writer:
        writer.append(rows[:4])
        writer.append(rows[4:])
    np.testing.assert_array_equal(artifacts.open_array(tmp_path / "a.npy"), rows.astype(np.float16))


def test_too_few_rows_leave_no_file(tmp_path):
    with (
        pytest.raises(ValueError, match="1 rows were written of 2"),
        artifacts.array_writer(tmp_path / "a.npy", shape=(2, 3), dtype=np.float32) as writer,
    ):
        writer.append(np.zeros((1, 3)))
    assert list(tmp_path.iterdir()) == []


def test_values_too_large_for_the_file_raise(tmp_path):
    with (
        pytest.raises(InputError, match=r"value of 1e\+06 cannot be stored as float16, whose largest is 65504"),
        artifacts.array_writer(tmp_path / "a.npy", shape=(1, 1), dtype=np.float16) as writer,
    ):
        writer.append(np.full((1, 1), 1e6, np.float32))


def test_a_full_disk_raises_and_leaves_the_old_file(tmp_path):
    """A limit on the size of files stands for the full disk: the system refuses the write alike."""
    (tmp_path / "a.npy").write_bytes(b"old")
    script = (
        "import resource, signal, sys, numpy as np\n"
        "from ser import artifacts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))\n"
        "with artifacts.array_writer(sys.argv[1], shape=(1000, 1000), dtype=np.float32) as writer:\n"
        "    for _ in range(10):\n"
        "        writer.append(np.zeros((100, 1000), np.float32))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.npy")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "OSError" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    assert (tmp_path / "a.npy").read_bytes() == b"old"


def test_equal_tables_give_equal_bytes(tmp_path):
    table = pd.DataFrame({"clip": ["a", "b"], "age": pd.array([1, None], "Int64")})
    artifacts.write_parquet(tmp_path / "a.parquet", table)
    artifacts.write_parquet(tmp_path / "b.parquet", table.copy())
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    pd.testing.assert_frame_equal(artifacts.read_parquet(tmp_path / "a.parquet"), table, check_dtype=False)


def test_json_refuses_not_a_number(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        artifacts.write_json(tmp_path / "a.json", {"uar": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("sample_rate", [8000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_formats_that_libsndfile_reads(tmp_path, subtype, sample_rate, channels):
    tone = sine(300.0)[:, None].repeat(channels, axis=1)
    soundfile.write(tmp_path / "a.wav", tone, sample_rate, subtype=subtype)
    samples, rate = read_audio(tmp_path / "a.wav")
    assert (samples.shape, rate, samples.dtype) == (tone.shape, sample_rate, np.float32)
    np.testing.assert_allclose(samples, tone, atol=0.01)
    check_samples(samples, rate, min_duration_seconds=0.3, max_duration_seconds=60)


def test_flac_and_wav_of_the_same_samples_have_one_fingerprint(tmp_path):
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, (32767 * sine(300.0)).astype(np.int16), 16000, subtype="PCM_16")
    wav, flac = (fingerprint(*read_audio(tmp_path / name)) for name in ("a.wav", "a.flac"))
    assert wav == flac


def broken(path, content: bytes):
    path.write_bytes(content)
    return path


def wav_bytes(tmp_path) -> bytes:
    soundfile.write(tmp_path / "whole.wav", sine(300.0), 16000, subtype="PCM_16")
    return (tmp_path / "whole.wav").read_bytes()


def test_files_that_are_no_sound_say_what_they_are(tmp_path):
    whole = wav_bytes(tmp_path)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    for content, message in (
        (b"", "an empty file"),
        (b"no sound at all, this is text", "not a sound file"),
        (whole[:20], "cut short"),
        (whole[: len(whole) // 2], "cut short"),
        (pointer, "git lfs pull"),
    ):
        with pytest.raises(InputError, match=message):
            read_audio(broken(tmp_path / "b.wav", content))
    with pytest.raises(InputError, match="no such file"):
        read_audio(tmp_path / "missing.wav")


@pytest.mark.parametrize("announced", [0, 0x7FFFF000 + 36, 0xFFFFFFFF])
def test_a_wav_file_written_to_a_pipe_is_whole(tmp_path, announced):
    """Its writer did not know how long it would be; SoX writes the second."""
    whole = wav_bytes(tmp_path)
    samples, _ = read_audio(broken(tmp_path / "b.wav", whole[:4] + announced.to_bytes(4, "little") + whole[8:]))
    assert len(samples) == 16000


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full((16000, 1), np.nan, np.float32), "NaN or infinite"),
        (np.full((16000, 1), np.inf, np.float32), "NaN or infinite"),
        (np.zeros((16000, 1), np.float32), "digital silence"),
        (np.full((16000, 1), 2e9, np.float32), "2e\\+09 times full scale"),
        (np.ones((320, 1), np.float32), "too short: 0.020 s"),
        (np.ones((16000 * 300, 1), np.float32), "too long: 300.0 s"),
    ],
)
def test_recordings_without_use_are_refused(samples, message):
    with pytest.raises(InputError, match=message):
        check_samples(samples, 16000, min_duration_seconds=0.3, max_duration_seconds=60.0)


def test_tables_that_cannot_be_read_say_why(tmp_path):
    (tmp_path / "a.csv").write_bytes("Name\nJosé\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        artifacts.read_csv(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match="git lfs pull"):
        artifacts.read_csv(tmp_path / "a.csv")


def test_groups_of_arrays_come_back_in_order(tmp_path):
    arrays = [np.full(i, i) for i in range(12)]
    artifacts.write_arrays(tmp_path / "a.npz", many=arrays, one=[np.array(1.5)])
    back = artifacts.read_arrays(tmp_path / "a.npz")
    assert [len(array) for array in back["many"]] == list(range(12))
    assert back["one"][0] == 1.5


def test_a_device_or_a_folder_is_never_replaced_by_a_file(tmp_path):
    for target in ("/dev/null", tmp_path):
        with pytest.raises(InputError, match="not a regular file"):
            artifacts.write_bytes(target, b"content")
    assert Path("/dev/null").is_char_device()


def test_a_cut_recording_in_a_stream_is_noticed(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), 16000)
    content = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(InputError, match=r"^standard input: cut short, 1000 of"):
        read_audio(streams.BytesIO(content[:1000]))
