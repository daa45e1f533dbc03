"""Other corpora: what their names say, training on them, scoring a bundle on them."""

import csv
import json
from types import SimpleNamespace

import pandas as pd
import pytest
import soundfile
from helpers import set_params

from ser import artifacts, cli
from ser.answers.evaluation import heard_before
from ser.answers.opening import open_bundle
from ser.audio.reading import read_audio
from ser.corpus.clips import ClipName, OtherEmotion, Utterance, emotion_of, words_of
from ser.corpus.emodb import parse_emodb
from ser.corpus.formats import FORMATS
from ser.corpus.listing import list_clips, read_names
from ser.corpus.ravdess import parse_ravdess
from ser.corpus.table import table_parser
from ser.corpus.tess import parse_tess
from ser.emotions import EMOTIONS
from ser.errors import InputError
from stages.split import refuse_if_too_many


@pytest.mark.parametrize(
    ("parse", "path", "actor", "emotion", "sex"),
    [
        (parse_ravdess, "Actor_12/03-01-06-01-02-01-12.wav", 12, "fear", "female"),
        (parse_ravdess, "03-02-05-02-01-02-07.wav", 7, "anger", "male"),
        (parse_tess, "OAF_angry/OAF_back_angry.wav", 1, "anger", "female"),
        (parse_tess, "YAF_date_neutral.wav", 2, "neutral", "female"),
        (parse_tess, "OA_bite_neutral.wav", 1, "neutral", "female"),
        (parse_emodb, "wav/03a01Wa.wav", 3, "anger", "male"),
        (parse_emodb, "16b10Td.wav", 16, "sadness", "female"),
    ],
)
def test_names_say_speaker_emotion_and_sex(parse, path, actor, emotion, sex):
    found = parse(path)
    assert (found.name.actor, emotion_of(found.name.emotion, words_of(None)), found.sex) == (actor, emotion, sex)


@pytest.mark.parametrize(
    ("parse", "path", "label"),
    [
        (parse_ravdess, "03-01-02-01-02-01-12.wav", "calm"),
        (parse_ravdess, "03-01-08-01-02-01-12.wav", "surprised"),
        (parse_tess, "OAF_back_ps.wav", "ps"),
        (parse_emodb, "03a01Lc.wav", "boredom"),
    ],
)
def test_other_emotions_are_named(parse, path, label):
    with pytest.raises(OtherEmotion, match=f"emotion '{label}' is none of"):
        emotion_of(parse(path).name.emotion, words_of(None))


@pytest.mark.parametrize(
    ("parse", "path"),
    [
        (parse_ravdess, "03-01-06.wav"),
        (parse_ravdess, "03-01-09-01-01-01-01.wav"),
        (parse_tess, "OAF_angry.wav"),
        (parse_tess, "XYZ_back_angry.wav"),
        (parse_emodb, "3a01Wa.wav"),
    ],
)
def test_names_of_another_kind_are_refused(parse, path):
    with pytest.raises(InputError, match=r"is not|expected 01 to"):
        parse(path)


def test_a_table_numbers_its_speakers_and_refuses_what_it_cannot_read():
    rows = [{"path": "b.wav", "speaker": "zoe", "emotion": "Joy"}, {"path": "a.wav", "speaker": "al", "emotion": "sad"}]
    parse = table_parser(rows)
    assert (parse("b.wav").name.actor, parse("b.wav").name.emotion) == (2, "Joy")
    assert (parse("a.wav").name.actor, parse("a.wav").name.emotion) == (1, "sad")
    with pytest.raises(InputError, match="not listed"):
        parse("c.wav")
    spaced = table_parser([rows[1], {"path": "c.wav", "speaker": " al ", "emotion": "sad", "sex": " Male "}])
    assert spaced("c.wav").name.actor == spaced("a.wav").name.actor  # else one person could train and test
    assert spaced("c.wav").sex == "male"
    with pytest.raises(InputError, match="column emotion and speaker"):
        table_parser([{"path": "a.wav"}])
    with pytest.raises(InputError, match="1 paths are listed twice"):
        table_parser([rows[0], rows[0]])
    with pytest.raises(InputError, match="1 paths are listed twice"):
        table_parser([rows[0], rows[0] | {"path": "./b.wav"}])
    with pytest.raises(InputError, match="line 3 has fewer cells"):
        table_parser([rows[0], {"path": "a.wav", "speaker": "al", "emotion": None}])


def as_ravdess(project, folder) -> int:
    """Write the demo corpus of a project under RAVDESS's names, and two clips of other emotions."""
    numbers = {"NEU": 1, "HAP": 3, "SAD": 4, "ANG": 5, "FEA": 6, "DIS": 7}
    clips = sorted((project.folder / "data" / "demo" / "AudioWAV").glob("*.wav"))
    for repetition, path in enumerate(clips):
        actor, _, code, _ = path.stem.split("_")
        write_ravdess(folder, read_audio(path)[0], numbers[code], repetition, int(actor) - 1000)
    for number in (2, 8):
        write_ravdess(folder, read_audio(clips[0])[0], number, 99, 1)
    return len(clips)


def write_ravdess(folder, samples, emotion: int, repetition: int, actor: int) -> None:
    name = f"03-01-{emotion:02d}-01-{repetition // 100:02d}-{repetition % 100:02d}-{actor:02d}.wav"
    path = folder / f"Actor_{actor:02d}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, 16000)


def test_another_emotion_is_no_fault_of_the_corpus():
    listing = read_names(["a-calm.wav", "b-angry.wav", "c.wav", "d-joy.txt"], dashed, words_of(None))
    assert listing.left_out == {"a-calm.wav": "calm"}
    assert {path: said.name.emotion for path, said in listing.utterances.items()} == {"b-angry.wav": "anger"}
    assert "two parts" in listing.misnamed["c.wav"]
    assert "no clip by its name" in listing.misnamed["d-joy.txt"]


def dashed(path: str) -> Utterance:
    speaker, dash, emotion = path.split(".")[0].partition("-")
    if not dash:
        raise InputError("has not two parts")
    return Utterance(ClipName(path, ord(speaker), "", emotion, "XX"))


def test_the_words_of_a_corpus_name_the_emotions_that_its_parameters_say():
    words = words_of({"Calm": "calm", "angry": "anger", "furious": "anger"})
    assert [emotion_of(word, words) for word in ("calm", " FURIOUS", "anger")] == ["calm", "anger", "anger"]
    with pytest.raises(OtherEmotion, match="emotion 'happy' is none of anger, calm"):
        emotion_of("happy", words)


def test_a_corpus_may_be_broken_so_far_and_no_further():
    corpus = SimpleNamespace(max_rejected_fraction=0.34, emotions=EMOTIONS)
    broken = {"file": "broken.wav", "reason": "an empty file"}
    refuse_if_too_many([broken], 3, corpus)
    corpus.max_rejected_fraction = 0.3
    with pytest.raises(InputError, match=r"^1 of 3 clips were rejected.* the first: broken\.wav: an empty file"):
        refuse_if_too_many([broken], 3, corpus)
    with pytest.raises(InputError, match="Every clip carries another emotion"):
        refuse_if_too_many([], 0, corpus)


def test_speakers_whom_the_networks_have_heard_are_counted():
    about = open_bundle(None).about
    trains, validates, tests = 1091, 1019, 1001  # under the split of the package's networks
    assert heard_before(about, "somewhere", "crema-d", {trains, validates, tests}) == 2
    assert heard_before(about, "somewhere", "emodb", {trains}) == 0
    assert heard_before(about, "somewhere", "table", {trains}) is None
    assert heard_before(about, "data/demo", "crema-d", {trains}) == 0
    listed = about | {"corpus": about["corpus"] | {"name": FORMATS["table"].name}}
    assert heard_before(listed, "somewhere", "crema-d", {trains}) is None
    drawn = about["params"] | {"split": about["params"]["split"] | {"protocol": "speaker"}}
    assert heard_before(about | {"params": drawn}, "somewhere", "crema-d", {trains}) is None


@pytest.mark.pipeline
def test_the_pipeline_indexes_another_corpus(copied):
    folder = copied.folder / "data" / "ravdess"
    clips = as_ravdess(copied, folder)
    set_params(copied.folder, {"corpus.dir": "data/ravdess", "corpus.format": "ravdess"})
    for stage in ("split", "preprocess"):
        done = copied.stage(stage)
        assert done.returncode == 0, done.stderr
    index = artifacts.read_parquet(copied.folder / "data" / "clips.parquet")
    with open(copied.folder / "data" / "rejected.csv", encoding="utf-8") as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert len(index) == clips
    assert set(index["sex"]) == {"male", "female"}
    assert sorted(reason.split("'")[1] for reason in reasons) == ["calm", "surprised"]
    assert len(artifacts.open_array(copied.folder / "data" / "signals.npy")) == clips


@pytest.mark.pipeline
def test_a_bundle_is_scored_on_another_corpus(finished, tmp_path, capsys):
    """The same sounds under other names: the score is that of the pipeline's own clips."""
    clips = as_ravdess(finished, tmp_path)
    (tmp_path / "notes.wav").touch()
    model = str(finished.folder / "models" / "bundle.zip")
    assert cli.main(["evaluate", str(tmp_path), "--format", "ravdess", "--model", model, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["clips"], found["actors"]) == (clips, 6)
    assert found["left_out"] == {"calm": 1, "surprised": 1}
    assert found["not_answered"] == {"misnamed": 1}
    assert found["heard_before"] == 0
    demo = str(finished.folder / "data" / "demo")
    assert cli.main(["evaluate", demo, "--model", model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(found["accuracy"], abs=0.03)
    assert cli.main(["evaluate", demo, "--model", model]) == 0
    printed = capsys.readouterr().out
    assert "6 speakers, some of whom the networks may have been trained on" in printed
    assert "95 % over speakers" in printed


def listed(folder, format_name: str) -> dict[str, tuple[int, str, str | None]]:
    """Actor, emotion and sex of each file of a corpus."""
    found = list_clips(folder, FORMATS[format_name], words_of(None))
    return {file: (said.name.actor, said.name.emotion, said.sex) for file, said in found.utterances.items()}


def test_an_audiofolder_is_read_with_all_its_parts(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "metadata.csv").write_text("file_name,speaker_id,label\na.wav,7,angry\nx/b.wav,9,bored\n")
    (tmp_path / "test").mkdir()
    line = {"file_name": "c.wav", "speaker": 3, "emotion": "sad", "gender": "Female"}
    (tmp_path / "test" / "metadata.jsonl").write_text(json.dumps(line) + "\n")
    assert listed(tmp_path, "audiofolder") == {
        "test/c.wav": (1, "sadness", "female"),
        "train/a.wav": (2, "anger", None),
    }
    rows = [{"file_name": f"{label}.wav", "speaker_id": label, "label": label} for label in (0, 1)]
    (tmp_path / "test" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    numbered = list_clips(tmp_path, FORMATS["audiofolder"], words_of({"0": "anger", "1": "sadness", "angry": "anger"}))
    found = {file: (said.name.actor, said.name.emotion) for file, said in numbered.utterances.items()}
    assert (found["test/0.wav"], found["test/1.wav"]) == ((1, "anger"), (2, "sadness"))
    (tmp_path / "test" / "metadata.jsonl").write_text('{"file_name": "c.wav", "emotion": "sad"}\n')
    with pytest.raises(InputError, match="lacks the column speaker or speaker_id or actor"):
        listed(tmp_path, "audiofolder")
    for line in ('{"file_name": "c.wav", "emotion": "sad", "speaker": null}', '{"emotion": "sad"}', "{"):
        (tmp_path / "test" / "metadata.jsonl").write_text(
            f'{{"file_name": "a", "emotion": "sad", "speaker": 1}}\n{line}\n'
        )
        with pytest.raises(InputError, match=r"row 2 has no|not valid JSON Lines"):
            listed(tmp_path, "audiofolder")
    with pytest.raises(InputError, match=r"holds no metadata.csv or metadata.jsonl"):
        listed(tmp_path / "train" / "x", "audiofolder")


def test_a_database_of_audformat_is_put_together_by_file(tmp_path):
    with pytest.raises(InputError, match="not an audformat database"):
        listed(tmp_path, "audformat")
    (tmp_path / "db.yaml").write_text("name: toy\n")
    (tmp_path / "db.emotion.csv").write_text("file,emotion\naudio/a.wav,anger\naudio/b.wav,boredom\n")
    with pytest.raises(InputError, match="no table says the speaker of audio"):
        listed(tmp_path, "audformat")
    (tmp_path / "db.files.csv").write_text("file,speaker,gender\naudio/a.wav,s1,male\naudio/b.wav,s2,female\n")
    assert listed(tmp_path, "audformat") == {"audio/a.wav": (1, "anger", "male")}
    (tmp_path / "db.files.csv").unlink()
    rows = {"speaker": ["s1", "s2"], "gender": pd.Categorical(["male", None])}
    table = pd.DataFrame({"file": ["audio/a.wav", "audio/b.wav"]} | rows)
    table.to_parquet(tmp_path / "db.files.parquet")
    assert listed(tmp_path, "audformat") == {"audio/a.wav": (1, "anger", "male")}
    (tmp_path / "db.broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"db.broken.parquet: no Parquet table"):
        listed(tmp_path, "audformat")
    (tmp_path / "db.broken.parquet").unlink()
    (tmp_path / "db.rater.csv").write_text("file,emotion\naudio/a.wav,sadness\n")
    with pytest.raises(InputError, match=r"two values of emotion, anger and sadness"):
        listed(tmp_path, "audformat")
    (tmp_path / "db.parts.csv").write_text("file,start,end,emotion\naudio/a.wav,0,1,anger\n")
    with pytest.raises(InputError, match="of segments"):
        listed(tmp_path, "audformat")


@pytest.mark.pipeline
def test_a_folder_without_clips_of_the_format_is_an_error(finished, capsys):
    model = str(finished.folder / "models" / "bundle.zip")
    assert cli.main(["evaluate", str(finished.folder / "data"), "--format", "tess", "--model", model]) == 1
    assert "no clip in the format tess that can be scored" in capsys.readouterr().err
    audio = str(finished.folder / "data" / "demo" / "AudioWAV")
    assert cli.main(["evaluate", audio, "--model", model]) == 1
    assert "must be the folder that holds AudioWAV/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file"), ("path,speaker,emotion\na.wav,A\n", "line 2 has fewer cells")]
)
def test_a_table_that_cannot_be_used_is_an_error(tmp_path, capsys, content, message):
    if content:
        (tmp_path / "clips.csv").write_text(content)
    assert cli.main(["evaluate", str(tmp_path), "--format", "table"]) == 1
    assert message in capsys.readouterr().err
    assert cli.main(["evaluate", str(tmp_path / "missing")]) == 1
    assert "no such folder" in capsys.readouterr().err
