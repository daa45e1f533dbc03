"""The command as a process: odd outputs, odd names, many files, timelines and labels."""

import csv
import io as streams
import json
import os
import shutil
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import real_clips, sine

from ser import cli

pytestmark = pytest.mark.server


def run(*arguments, **how) -> subprocess.CompletedProcess:
    """The command, run as people run it."""
    how = {"capture_output": True, "text": True, "timeout": 120} | how
    return subprocess.run([sys.executable, "-m", "ser", *map(str, arguments)], check=False, **how)


def shell(line: str, **environment: str) -> subprocess.CompletedProcess:
    command = ["bash", "-c", line.replace("ser ", f"{sys.executable} -m ser ", 1)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> str:
    """A second of a tone with overtones, which is voiced."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, sum(sine(220 * k, amplitude=0.3 / k, seconds=2) for k in (1, 2, 3, 4)), 16000)
    return str(path)


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> str:
    """Twelve seconds: a tone, silence, another tone."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    tones = [sum(sine(hz * k, amplitude=0.3 / k, seconds=4) for k in (1, 2, 3)) for hz in (120, 350)]
    soundfile.write(path, np.concatenate([tones[0], np.zeros(64000, np.float32), tones[1]]), 16000)
    return str(path)


# Outputs that take nothing


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("form", ["", "--json", "--csv"])
def test_a_full_disk_is_one_line(clip, form):
    done = shell(f"ser predict {form} {clip} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "ser: standard output: No space left on device\n"


def test_closed_outputs_are_one_line_or_none(clip):
    done = shell(f"ser predict {clip} >&-")
    assert (done.returncode, done.stderr) == (1, "ser: standard output is closed, so no answer can be given.\n")
    assert shell(f"ser predict {clip} 2>&-").returncode == 0
    assert shell(f"ser predict {clip} {clip} | head -1").stderr == ""


def test_no_decoder_writes_to_standard_error_by_itself(tmp_path):
    """libmpg123 reports what it skips: here a file with rubbish between its frames."""
    soundfile.write(tmp_path / "a.mp3", np.tile(sine(220, seconds=2), 2), 16000, format="MP3")
    content = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(content[:2000] + bytes(range(256)) * 8 + content[2000:])
    assert run("predict", tmp_path / "a.mp3").stderr == ""


def test_a_bar_shares_no_line_with_the_answers(tmp_path, clip):
    """On a terminal that shows both, rows only; a bar where the answers go elsewhere."""
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    for number in range(30):
        shutil.copy(clip, tmp_path / f"{number:02d}.wav")
    for elsewhere in (False, True):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        target = subprocess.PIPE if elsewhere else slave
        with subprocess.Popen(
            [sys.executable, "-m", "ser", "predict", str(tmp_path)], stdout=target, stderr=slave, stdin=slave
        ) as process:
            if elsewhere:
                process.stdout.read()
            os.close(slave)
            shown = b""
            while True:
                try:
                    part = os.read(master, 65536)
                except OSError:
                    break
                if not part:
                    break
                shown += part
        os.close(master)
        assert (b" files" in shown) == elsewhere
        if not elsewhere:
            rows = [line for line in shown.decode().splitlines() if ".wav" in line]
            assert len(rows) == 30
            assert not any("%" in row or "\x1b" in row for row in rows)


# Names and places


def test_a_name_that_is_no_text_is_answered_and_refused_like_others(tmp_path, clip):
    named = os.fsencode(tmp_path) + b"/\xff\xfe.wav"
    shutil.copy(clip, named)
    for form in ([], ["--json"], ["--csv"]):
        done = run("predict", *form, os.fsdecode(named), text=False)
        assert done.returncode == 0, done.stderr
        assert b"udcff" in done.stdout or b"\xef\xbf\xbd" in done.stdout
    missing = run("predict", os.fsdecode(named + b"x"), text=False)
    assert missing.returncode == 3
    assert b"no such file" in missing.stdout
    assert b"Traceback" not in missing.stderr


def test_a_pipe_that_nobody_writes_to_is_given_up(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    done = run("predict", tmp_path / "pipe.wav", timeout=60)
    assert done.returncode == 3
    assert "nobody writes to" in done.stdout


def test_explain_says_before_the_work_that_a_folder_takes_nothing(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert cli.main(["explain", clip, "-o", str(tmp_path / "a.png")]) == 1
    assert "nothing can be written there" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell the peak of a process's memory")
def test_a_hundred_thousand_files_are_walked_with_bounded_memory(tmp_path):
    for number in range(100_000):
        (tmp_path / f"{number:06d}.wav").touch()
    script = (
        "import sys; from ser.cli import main; status = main(['predict', '--csv', sys.argv[1]]); "
        "peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]; "
        "print(int(peak) // 1000, file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 100_001
    assert int(done.stderr.splitlines()[-1]) < 400


def test_what_lies_at_the_name_of_a_half_written_file_is_not_followed(clip, tmp_path, monkeypatch):
    """A pipe there must not hang the command, nor a link lead it elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").write_text("mine")
    for kind in ("audacity", "textgrid"):
        ending = {"audacity": ".txt", "textgrid": ".TextGrid"}[kind]
        os.mkfifo(tmp_path / f"clip.emotions{ending}.partial")
        assert run("predict", "--labels", kind, clip, timeout=30, cwd=tmp_path).returncode == 0
        (tmp_path / f"clip.emotions{ending}.partial").symlink_to(tmp_path / "elsewhere")
        assert run("predict", "--labels", kind, clip, timeout=30, cwd=tmp_path).returncode == 0
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_name_with_a_formula_is_drawn_as_it_is(clip, tmp_path):
    named = os.fsencode(tmp_path) + b"/b\xff$\\frac.wav"
    shutil.copy(clip, named)
    done = run("explain", os.fsdecode(named), "-o", tmp_path / "a.png", text=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("host", ["a..b", "x" * 100, "nosuch.invalid"])
def test_a_host_that_is_none_is_one_line(host):
    done = run("app", "--host", host, "--token", "correct-horse")
    assert done.returncode == 1
    assert done.stderr.startswith(f"ser: cannot listen on {host}")
    assert len(done.stderr.splitlines()) == 1


# Timelines


def test_the_timeline_covers_the_recording_without_overlap(long, capsys):
    assert cli.main(["predict", "--csv", "--timeline", long]) == 0
    rows = list(csv.DictReader(streams.StringIO(capsys.readouterr().out)))
    starts, ends = ([float(row[key]) for row in rows] for key in ("start_seconds", "end_seconds"))
    assert (starts[0], ends[-1]) == (0.0, 12.0)
    assert starts[1:] == ends[:-1]
    assert any(row["error"] == "silent" for row in rows)
    spoken = [row for row in rows if row["emotion"]]
    assert all(float(row["probability"]) == float(row[row["emotion"]]) for row in spoken)
    cli.main(["predict", "--json", long])
    timeline = json.loads(capsys.readouterr().out)["timeline"]
    assert [row["start_seconds"] for row in timeline] == starts


def test_a_table_without_the_timeline_says_how_to_get_it(long, clip, capsys):
    cli.main(["predict", "--csv", long, clip])
    assert "1 of the recordings are over 6 s; --timeline" in capsys.readouterr().err
    assert cli.main(["predict", "--timeline", long]) == 2


def test_a_table_that_was_broken_off_goes_on(long, clip, tmp_path, capsys):
    """Half a row is answered again, whole ones are not; what is no such table is refused."""
    table, names = tmp_path / "answers.csv", [str(tmp_path / f"{name}.wav") for name in "abc"]
    for name in names:
        shutil.copy(clip, name)
    written = ["predict", "--csv", "-o", str(table)]
    assert cli.main([*written, *names]) == 0
    whole = table.read_text()
    assert cli.main([*written, *names]) == 1
    assert "continue it with --resume" in capsys.readouterr().err
    header, first, second, _ = whole.splitlines(keepends=True)
    table.write_text(header + first + second[:20])
    assert cli.main([*written, "--resume", *names]) == 0
    assert "has 1 answer; 2 files are left" in capsys.readouterr().err
    assert table.read_text() == whole
    assert cli.main([*written, "--resume", *(f"{tmp_path}/./{name}.wav" for name in "abc")]) == 0
    assert table.read_text() == whole
    Path(names[1]).rename(tmp_path / "away.wav")
    table.write_text(header + "\n" + first)
    assert cli.main([*written, "--resume", *names]) == 3  # a file that is missing is asked about again next time
    (tmp_path / "away.wav").rename(names[1])
    assert cli.main([*written, "--resume", *names]) == 0
    assert sorted(table.read_text().splitlines()) == sorted(whole.splitlines())
    table.write_text("x" * 200_000)
    assert cli.main([*written, "--resume", *names]) == 1
    assert "holds no table of answers" in capsys.readouterr().err
    table.write_text("")
    assert cli.main([*written, "--resume", *names]) == 0
    assert table.read_text() == whole
    table.write_text("file,emotion\n")
    assert cli.main([*written, "--resume", *names]) == 1
    assert "holds another table" in capsys.readouterr().err
    stretches = tmp_path / "stretches.csv"
    assert cli.main(["predict", "--csv", "--timeline", "-o", str(stretches), clip, long]) == 0
    whole = stretches.read_text()
    stretches.write_text("".join(whole.splitlines(keepends=True)[:-1]))  # a row of the last file's is missing
    assert cli.main(["predict", "--csv", "--timeline", "-o", str(stretches), "--resume", clip, long]) == 0
    assert stretches.read_text() == whole
    assert ",silent\n" in whole  # of a stretch inside a file that has been answered
    assert cli.main(["predict", "--csv", "--timeline", "-o", str(stretches), "--resume", long, clip]) == 0
    assert sorted(stretches.read_text().splitlines()) == sorted(whole.splitlines())
    assert cli.main(["predict", "--csv", "--timeline", "-o", str(stretches), "--resume", long, clip]) == 0
    assert sorted(stretches.read_text().splitlines()) == sorted(whole.splitlines())
    assert cli.main(["predict", "-o", str(stretches), clip]) == 2
    assert cli.main(["predict", "--csv", "--resume", clip]) == 2


def test_labels_are_written_for_audacity_and_praat(long, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["predict", "--labels", "audacity", long]) == 0
    rows = [line.split("\t") for line in (tmp_path / "long.emotions.txt").read_text().splitlines()]
    assert (float(rows[0][0]), float(rows[-1][1])) == (0.0, 12.0)
    assert all(before[1] == after[0] and before[2] != after[2] for before, after in pairwise(rows))
    assert cli.main(["predict", "--labels", "textgrid", long]) == 0
    textgrid = pytest.importorskip("praatio.textgrid")
    tier = textgrid.openTextgrid(str(tmp_path / "long.emotions.TextGrid"), includeEmptyIntervals=True).getTier(
        "emotion"
    )
    assert [entry.label for entry in tier.entries] == [row[2] for row in rows]
    assert cli.main(["predict", "--labels", "audacity", long, str(tmp_path / "long.wav")]) == 1
    assert "one name" in capsys.readouterr().err


def test_explain_draws_the_moment_that_is_asked_for(long, tmp_path, capsys):
    for seconds, status, line in (
        (1.0, 0, "0.0 to 3.0 s"),
        (11.5, 0, "to 12.0 s"),
        (6.0, 1, "no speech at that time"),
        (13.0, 1, "expected 0 to 12.0"),
    ):
        assert cli.main(["explain", long, "--at", str(seconds), "-o", str(tmp_path / "a.png")]) == status
        printed = capsys.readouterr()
        assert line in printed.out + printed.err


# Evaluation


def test_evaluate_shows_the_confusion_each_network_and_a_row_for_each_clip(tmp_path, capsys):
    clips = real_clips(40)
    (tmp_path / "AudioWAV").mkdir()
    for path in clips:
        shutil.copy(path, tmp_path / "AudioWAV")
    table = tmp_path / "predictions.csv"
    assert cli.main(["evaluate", str(tmp_path), "--json", "--predictions", str(table)]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == len(clips)
    counts = np.zeros((6, 6), int)
    for row in rows:
        order = sorted(["anger", "disgust", "fear", "happiness", "neutral", "sadness"])
        counts[order.index(row["actual"]), order.index(row["emotion"])] += 1
    assert found["confusion"] == counts.tolist()
    assert found["accuracy"] == pytest.approx(np.trace(counts) / counts.sum(), abs=1e-4)
    assert set(found["networks"]) == {"cnn1d", "cnn2d"}
    assert cli.main(["evaluate", str(tmp_path)]) == 0
    assert "answered, across" in capsys.readouterr().out


def test_an_interval_from_few_speakers_is_not_shown(tmp_path, capsys):
    (tmp_path / "AudioWAV").mkdir()
    for path in [path for path in real_clips(10_000) if path.name.startswith("1001_")][:12]:
        shutil.copy(path, tmp_path / "AudioWAV")
    assert cli.main(["evaluate", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "no interval over speakers" in printed
    assert "95 %" not in printed


def test_speakers_with_too_few_clips_for_a_profile_are_counted(clip, tmp_path, capsys):
    (tmp_path / "AudioWAV").mkdir()
    for name in ("1001_DFA_ANG_XX", "1001_DFA_SAD_XX", "1002_DFA_ANG_XX"):
        shutil.copy(clip, tmp_path / "AudioWAV" / f"{name}.wav")
    assert cli.main(["evaluate", str(tmp_path), "--profiles", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["clips"], found["not_answered"]) == (1, {"too few clips for a profile": 1})
    assert cli.main(["evaluate", str(tmp_path), "--profiles", "20"]) == 1
    assert "None of 3 clips could be answered: 3 too few clips for a profile." in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["evaluate", str(tmp_path), "--profiles", "abc"])
    assert "'abc': expected 'none', 'own', or a number of clips" in capsys.readouterr().err
    assert cli.main(["evaluate", str(tmp_path), "--predictions", str(tmp_path)]) == 1
    assert "a folder; --predictions wants the name" in capsys.readouterr().err


# Nothing leaves the machine


ASKED = ["predict {clip}", "explain {clip} -o {folder}/a.png", "info", "evaluate {folder}/corpus"]


def corpus_of(clip: str, folder: Path) -> Path:
    """The folder, with a corpus of one clip in it."""
    (folder / "corpus" / "AudioWAV").mkdir(parents=True)
    shutil.copy(clip, folder / "corpus" / "AudioWAV" / "1001_DFA_ANG_XX.wav")
    return folder


@pytest.mark.parametrize("asked", ASKED)
def test_nothing_is_left_in_the_home_folder(asked, clip, tmp_path):
    (tmp_path / "home").mkdir()
    line = asked.format(clip=clip, folder=corpus_of(clip, tmp_path))
    done = run(*line.split(), env=os.environ | {"HOME": str(tmp_path / "home"), "MPLCONFIGDIR": str(tmp_path / "mpl")})
    assert done.returncode == 0, done.stderr
    assert [str(path) for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
@pytest.mark.parametrize("asked", ASKED)
def test_no_connection_is_opened(asked, clip, tmp_path):
    line = asked.format(clip=clip, folder=corpus_of(clip, tmp_path))
    traced = ["strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(tmp_path / "calls")]
    done = subprocess.run([*traced, sys.executable, "-m", "ser", *line.split()], capture_output=True, check=False)
    if b"ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0
    assert "AF_INET" not in (tmp_path / "calls").read_text()
