"""The command ``ser predict``: any recording, every failure with its message and status."""

import csv
import io as streams
import json
import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
import soundfile
from helpers import real_clips, sine

from ser import artifacts, cli
from ser.answers import files
from ser.answers import formats as answer_formats
from ser.answers.bundle import unpack
from ser.answers.files import STATUS, recognize_file, recognize_files
from ser.answers.opening import open_bundle
from ser.answers.recognizer import Recognizer
from ser.answers.windows import LONGEST_WHOLE_SECONDS
from ser.audio.reading import read_audio
from ser.corpus.crema_d import parse_name
from ser.corpus.partitions import published_partition
from ser.emotions import EMOTIONS
from ser.errors import InputError, NoAnswer
from ser.scoring.scores import confusion, unweighted_average_recall


@pytest.fixture(scope="session")
def bundle_path(finished) -> str:
    return str(finished.folder / "models" / "bundle.zip")


@pytest.fixture(scope="session")
def recognizer(bundle_path) -> Recognizer:
    return Recognizer(unpack(artifacts.read_bytes(bundle_path), name=bundle_path))


@pytest.fixture(scope="session")
def voice(finished) -> np.ndarray:
    """A clip of the demo corpus, samples."""
    path = sorted((finished.folder / "data" / "demo" / "AudioWAV").glob("*.wav"))[0]
    return read_audio(path)[0][:, 0]


@pytest.fixture
def predict(bundle_path, capsys):
    """Run ``ser predict`` in this process: exit status, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["predict", "--model", bundle_path, *map(str, arguments)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


pytestmark = pytest.mark.pipeline


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_any_format_and_rate_and_both_channels_give_the_same_answer(predict, voice, tmp_path, suffix):
    import soxr

    louder = soxr.resample(voice, 16000, 44100, quality="VHQ")
    soundfile.write(tmp_path / f"a.{suffix}", np.stack([louder, louder], axis=1), 44100)
    soundfile.write(tmp_path / "b.wav", voice, 16000)
    status, out, _ = predict("--json", tmp_path / f"a.{suffix}", tmp_path / "b.wav")
    one, other = map(json.loads, out.splitlines())
    assert status == 0
    assert one["emotion"] == other["emotion"]
    assert one["probability"] == pytest.approx(other["probability"], abs=0.1)


def bad_files(folder, voice) -> dict[str, str]:
    """Files without an answer, each with its kind."""
    (folder / "text.wav").write_text("not a sound")
    (folder / "empty.wav").write_bytes(b"")
    soundfile.write(folder / "short.wav", voice[:4000], 16000)
    soundfile.write(folder / "silent.wav", np.zeros(32000), 16000)
    soundfile.write(folder / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(32000), 16000)
    soundfile.write(folder / "nan.wav", np.full(32000, np.nan, np.float32), 16000, subtype="FLOAT")
    kinds = {"text": "unreadable", "empty": "unreadable", "short": "short", "silent": "silent"}
    return {f"{name}.wav": kind for name, kind in (kinds | {"noise": "no speech", "nan": "unreadable"}).items()}


def test_every_failure_has_its_kind_and_status_and_others_are_answered(predict, voice, tmp_path):
    kinds = bad_files(tmp_path, voice)
    soundfile.write(tmp_path / "voice.wav", voice, 16000)
    for name, kind in kinds.items():
        status, out, _ = predict("--json", tmp_path / name, tmp_path / "voice.wav", tmp_path / "missing.wav")
        failed, answered, missing = map(json.loads, out.splitlines())
        assert status == STATUS[kind], name
        assert failed["error"]["kind"] == kind, name
        assert failed["error"]["message"]
        assert answered["emotion"] in EMOTIONS
        assert "no such file" in missing["error"]["message"]


def test_a_folder_is_walked_in_order(predict, voice, tmp_path):
    for name in ("b/2.wav", "a/1.flac", ".hidden/3.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, voice, 16000)
    (tmp_path / "notes.txt").write_text("no recording")
    status, out, _ = predict("--csv", tmp_path)
    rows = list(csv.DictReader(streams.StringIO(out)))
    assert status == 0
    assert [row["file"].rsplit("/", 2)[1:] for row in rows] == [["a", "1.flac"], ["b", "2.wav"]]
    assert sum(float(rows[0][emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-4)


def test_odd_names_and_formats_are_one_file_s_trouble(predict, voice, tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(1000))
    soundfile.write(tmp_path / "voice.wav", voice, 16000)
    (tmp_path / "empty").mkdir()
    undecodable = os.fsdecode(b"bad\xff.wav")
    given = [tmp_path / "a.raw", "x" * 300, undecodable, "", tmp_path / "empty", tmp_path / "voice.wav"]
    for form in ("--json", "--csv", "--json"):
        status, out, _ = predict(form, *given)
        assert status == 3
        assert len(out.splitlines()) == 5 + (form == "--csv")
        assert out.splitlines()[-1].count("anger") or "voice.wav" in out.splitlines()[-1]
    status, out, _ = predict(*given)
    assert status == 3
    assert "\x1b" not in answer_formats.shorten("a\x1b[31m.wav", 40)


def test_samples_far_above_full_scale_and_constants_have_no_answer(predict, voice, tmp_path):
    soundfile.write(tmp_path / "large.wav", 1e6 * voice, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "constant.wav", np.full(32000, 0.5), 16000)
    soundfile.write(tmp_path / "nan.wav", np.where(voice > 0.1, np.nan, voice), 16000, subtype="FLOAT")
    status, out, _ = predict("--json", tmp_path / "large.wav", tmp_path / "nan.wav", tmp_path / "constant.wav")
    large, undefined, constant = map(json.loads, out.splitlines())
    assert status == 3
    assert "times full scale" in large["error"]["message"]
    assert "NaN" in undefined["error"]["message"]
    assert constant["error"]["kind"] == "silent"


@pytest.mark.parametrize(("content", "message"), [(b"", "empty"), (b"text", "not a sound file"), (None, "cut short")])
def test_standard_input_that_is_no_whole_recording_is_refused(recognizer, voice, content, message):
    if content is None:
        whole = streams.BytesIO()
        soundfile.write(whole, voice, 16000, format="WAV")
        content = whole.getvalue()[:9000]
    outcome = recognize_file(recognizer, "-", standard_input=content)
    assert outcome.kind == "unreadable"
    assert message in outcome.message
    assert "0x" not in outcome.message


def test_a_folder_without_recordings_is_an_error(predict, tmp_path):
    status, out, err = predict(tmp_path)
    assert (status, out) == (1, "")
    assert "holds no recording" in err


def test_standard_input_is_read(bundle_path, voice):
    content = streams.BytesIO()
    soundfile.write(content, voice, 16000, format="FLAC")
    done = subprocess.run(
        [sys.executable, "-m", "ser", "predict", "--json", "--model", bundle_path, "-"],
        input=content.getvalue(),
        capture_output=True,
    )
    assert json.loads(done.stdout)["file"] == "-"


def test_a_long_recording_has_a_timeline_and_reading_it_in_blocks_changes_nothing(recognizer, voice):
    silence = np.zeros(16000 * 8, np.float32)
    recording = np.concatenate([voice, voice, voice, silence, voice, voice])[:, None]
    whole = recognizer.recognize(recording, 16000)
    parts = [recording[i : i + 7001] for i in range(0, len(recording), 7001)]
    streamed = recognizer.recognize_stream(parts, 16000)
    np.testing.assert_allclose(whole.probabilities, streamed.probabilities, atol=1e-6)
    assert [w.start_seconds for w in whole.windows] == [w.start_seconds for w in streamed.windows]
    assert whole.windows[0].start_seconds == 0
    assert whole.windows[-1].end_seconds == pytest.approx(len(recording) / 16000)
    steps = np.diff([window.start_seconds for window in whole.windows])
    np.testing.assert_allclose(steps, recognizer.window_seconds / 2)
    assert "silent" in {window.reason for window in whole.windows}
    assert any("silent" in line for line in answer_formats.timeline_lines(whole))


def test_a_recording_just_over_the_limit_is_covered_to_its_end(recognizer, voice):
    samples = round((LONGEST_WHOLE_SECONDS + 0.01) * 16000)
    found = recognizer.recognize(np.resize(voice, samples)[:, None], 16000)
    assert len(found.windows) > 1
    assert found.windows[-1].end_seconds == pytest.approx(samples / 16000)


def test_probabilities_are_what_the_windows_say(recognizer, voice):
    found = recognizer.recognize(voice[:, None], 16000)
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert found.emotion == EMOTIONS[int(found.probabilities.argmax())]
    assert found.sure == (found.probabilities.max() >= recognizer.about["threshold"])


def test_no_answer_names_its_kind(recognizer):
    with pytest.raises(NoAnswer, match=r"too short: 0\.100 s") as error:
        recognizer.recognize(sine(200, seconds=0.1)[:, None], 16000)
    assert error.value.kind == "short"


def test_the_table_shows_the_answer_and_what_is_not_sure(predict, voice, tmp_path):
    soundfile.write(tmp_path / "voice.wav", voice, 16000)
    status, out, _ = predict(tmp_path / "voice.wav")
    header, line = out.splitlines()
    assert status == 0
    assert header.split() == ["file", "emotion", "prob.", "second", "prob."]
    assert any(emotion in line for emotion in EMOTIONS)
    assert answer_formats.bar(0.5) == "█" * 10 + "·" * 10


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04"])
def test_a_model_that_is_no_bundle_is_refused(tmp_path, capsys, content):
    (tmp_path / "model.pkl").write_bytes(content)
    assert cli.main(["predict", "--model", str(tmp_path / "model.pkl"), "x.wav"]) == 1
    assert "no bundle" in capsys.readouterr().err


def test_info_describes_the_bundle(bundle_path, capsys):
    assert cli.main(["info", "--model", bundle_path]) == 0
    out = capsys.readouterr().out
    for part in ("demo corpus (synthetic)", "UAR", "temperature", "Not for decisions about people"):
        assert part in out
    assert cli.main(["info", "--json", "--model", bundle_path]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "ser-bundle"


def test_completion_knows_the_commands(capsys):
    assert cli.main(["completion", "bash"]) == 0
    assert "predict" in capsys.readouterr().out


def test_prediction_imports_neither_tensorflow_nor_the_pipeline():
    code = (
        "import sys, ser.cli, ser.answers.files, ser.answers.recognizer, ser.answers.formats\n"
        "print([m for m in ('tensorflow', 'keras', 'dvc', 'pandas', 'joblib', 'sklearn', 'librosa',"
        " 'matplotlib', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.real_speech
def test_real_speech_is_speech(recognizer):
    for path in real_clips(40):
        assert recognizer.recognize(*read_audio(path)).windows


def test_many_files_are_answered_by_processes_and_in_the_same_way(recognizer, finished, monkeypatch):
    monkeypatch.setattr(files, "MANY_FILES", 4)
    monkeypatch.setattr(files, "processors", lambda: 2)
    clips = sorted(map(str, (finished.folder / "data" / "demo" / "AudioWAV").glob("*.wav")))[:5]
    paths = [*clips, "missing.wav"]
    outcomes = list(recognize_files(recognizer, paths, processes=True))
    assert [outcome.file for outcome in outcomes] == paths
    assert outcomes[-1].message == "no such file"
    for outcome, other in zip(outcomes[:-1], recognize_files(recognizer, clips), strict=True):
        np.testing.assert_allclose(outcome.recognition.probabilities, other.recognition.probabilities, atol=1e-6)
        assert outcome.recognition.doubts == other.recognition.doubts


class Dying:
    """What ends the process that it is sent to."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_process_that_ends_by_itself_is_said(monkeypatch):
    monkeypatch.setattr(files, "MANY_FILES", 1)
    monkeypatch.setattr(files, "processors", lambda: 2)
    with pytest.raises(InputError, match=r"ended by itself, at a\.wav or one of the files behind it\."):
        list(recognize_files(Dying(), ["a.wav", "b.wav"], processes=True))


ENDLESS = """
import sys
from ser import cli
from ser.answers import files
files.MANY_FILES, files.processors = 4, lambda: 2
print("begun", flush=True)
sys.exit(cli.main(["predict", "--csv", *[sys.argv[1]] * 100_000]))
"""


@pytest.mark.parametrize(
    ("end", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_processes_end_with_their_command(finished, end, status):
    clip = sorted((finished.folder / "data" / "demo" / "AudioWAV").glob("*.wav"))[0]
    command = [sys.executable, "-c", ENDLESS, str(clip)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asked:
        for _ in range(3):  # that it has begun, the header, and an answer
            assert asked.stdout.readline()
        children = psutil.Process(asked.pid).children(recursive=True)
        assert len(children) >= 2
        asked.send_signal(end)  # to the command only, as a service manager does
        asked.communicate(timeout=60)  # what is not read would keep it from ending
        assert asked.returncode == status
        _, alive = psutil.wait_procs(children, timeout=10)
        for child in alive:
            child.kill()
        assert not alive


@pytest.mark.real_speech
def test_the_networks_of_the_package_do_on_unseen_voices_what_their_figures_say():
    """The clips at hand of actors that did not train: the UAR is within the interval of validation, or above."""
    about = open_bundle(None).about
    subset_of = published_partition(about["params"]["split"]["protocol"], about["params"]["split"]["fold"])
    held_out = [path for path in real_clips(10**6) if subset_of[int(path.name[:4])] == "validation"]
    outcomes = recognize_files(Recognizer(open_bundle(None)), [str(path) for path in held_out[::3]])
    answers = [outcome.recognition for outcome in outcomes]
    assert all(answers)
    actual = np.array([EMOTIONS.index(parse_name(path.name).emotion) for path in held_out[::3]])
    predicted = np.array([answer.order[0] for answer in answers])
    uar = unweighted_average_recall(confusion(actual, predicted, 6))
    assert uar > about["metrics"]["fusion"]["validation"]["uar_low"]
