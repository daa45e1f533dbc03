import json
from collections import Counter

import numpy as np
import pytest
from helpers import ROOT
from hypothesis import given
from hypothesis import strategies as st

from ser.corpus.checks import find_contradictions
from ser.corpus.clips import ClipName
from ser.corpus.crema_d import demographics, listener_votes, parse_name
from ser.corpus.leaks import check_copies, check_split
from ser.corpus.partitions import PROTOCOLS, Split, divide, published_partition
from ser.emotions import EMOTIONS
from ser.errors import InputError

FRACTIONS = {"train": 0.6, "validation": 0.2, "test": 0.2}


def clips_of(actors: list[int], each: int = 12) -> dict:
    """Names, actors, emotions and sexes of some clips."""
    pairs = [(actor, i) for actor in actors for i in range(each)]
    return {
        "clips": [f"{actor}_{i:03d}" for actor, i in pairs],
        "actors": np.array([actor for actor, _ in pairs]),
        "emotions": [EMOTIONS[i % len(EMOTIONS)] for _, i in pairs],
        "sexes": ["female" if actor % 3 else "male" for actor, _ in pairs],
    }


def settings_of(shares: dict[str, float], **others) -> Split:
    """The parameters ``split``, unchecked."""
    return Split.model_construct(**{f"{subset}_fraction": share for subset, share in shares.items()}, **others)


def divided(actors: list[int], *, protocol: str, fold: int = 1, seed: int = 0) -> tuple[dict, list[str]]:
    clips = clips_of(actors)
    return clips, divide(*clips.values(), settings_of(FRACTIONS, protocol=protocol, fold=fold, seed=seed))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fold", [1, 5])
def test_every_protocol_divides_all_of_crema_d(protocol, fold):
    clips, subsets = divided(list(range(1001, 1092)), protocol=protocol, fold=fold)
    assert set(subsets) == {"train", "validation", "test"}
    shared = {
        (a, b)
        for a, s in zip(clips["actors"].tolist(), subsets, strict=True)
        for b, t in zip(clips["actors"].tolist(), subsets, strict=True)
        if a == b and s != t
    }
    assert bool(shared) == (protocol == "clip")


@pytest.mark.parametrize("protocol", ["audeering", "tfds", "evar", "nkululeko", "emo-superb"])
def test_published_partitions_equal_their_source(protocol):
    source = ROOT.parent / "shared" / "partitions.json"
    if not source.exists():
        pytest.skip("no ../shared/partitions.json")
    published = json.loads(source.read_text())[protocol]
    for fold in range(1, 6) if protocol == "emo-superb" else [1]:
        expected = published[str(fold)] if protocol == "emo-superb" else published
        given_partition = published_partition(protocol, fold)
        for name, subset in (("train", "train"), ("dev", "validation"), ("test", "test")):
            assert sorted(expected[name]) == [a for a, s in given_partition.items() if s == subset]


def test_emo_superb_tests_every_actor_once():
    tested = [
        actor for fold in range(1, 6) for actor, s in published_partition("emo-superb", fold).items() if s == "test"
    ]
    assert sorted(tested) == list(range(1001, 1092))


@pytest.mark.parametrize("fractions", [(0.01, 0.495, 0.495), (0.25, 0.375, 0.375), (0.98, 0.01, 0.01)])
@pytest.mark.parametrize("count", [3, 4, 7])
def test_no_subset_is_empty_whatever_the_fractions(fractions, count):
    shares = dict(zip(("train", "validation", "test"), fractions, strict=True))
    clips = clips_of(list(range(1, count + 1)))
    subsets = divide(*clips.values(), settings_of(shares, protocol="speaker", fold=1, seed=0))
    assert set(subsets) == {"train", "validation", "test"}


@given(st.integers(3, 40), st.integers(0, 1000))
def test_speaker_keeps_actors_apart_for_any_corpus(count, seed):
    clips, subsets = divided(list(range(1, count + 1)), protocol="speaker", seed=seed)
    of_actor = {}
    for actor, subset in zip(clips["actors"].tolist(), subsets, strict=True):
        assert of_actor.setdefault(actor, subset) == subset
    assert Counter(of_actor.values())["test"] == max(1, round(0.2 * count))


def test_speaker_balances_the_sexes():
    clips, subsets = divided(list(range(1, 91)), protocol="speaker")
    test = {a: s for a, s, t in zip(clips["actors"].tolist(), clips["sexes"], subsets, strict=True) if t == "test"}
    assert Counter(test.values()) == {"female": 12, "male": 6}  # two thirds are women


def test_clip_keeps_the_share_of_every_emotion():
    clips, subsets = divided(list(range(1001, 1011)), protocol="clip")
    share = Counter(e for e, s in zip(clips["emotions"], subsets, strict=True) if s == "test")
    assert share == dict.fromkeys(EMOTIONS, 4)


def test_another_seed_divides_otherwise_and_the_same_seed_alike():
    divisions = [divided(list(range(1001, 1021)), protocol="speaker", seed=seed)[1] for seed in (0, 0, 1)]
    assert divisions[0] == divisions[1] != divisions[2]


@pytest.mark.parametrize(
    ("actors", "protocol", "message"),
    [
        ([1001, 1002], "speaker", "at least 3 actors"),
        ([1, 2, 3], "evar", "partition of CREMA-D's actors"),
        ([1001, 1002, 1003], "emo-superb", "without a clip"),
    ],
)
def test_divisions_that_cannot_be_are_refused(actors, protocol, message):
    with pytest.raises(InputError, match=message):
        divided(actors, protocol=protocol)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"clips": ["a", "b", "a"]}, "clip"),
        ({"actors": [1, 2, 1]}, "actor"),
        ({"fingerprints": ["x", "y", "x"]}, "sound"),
    ],
)
def test_leaks_are_found(changes, kind):
    clean = {"clips": ["a", "b", "c"], "actors": [1, 2, 3], "fingerprints": ["x", "y", "z"]}
    subsets = ["train", "validation", "test"]
    check_split(**clean, subsets=subsets, protocol="speaker")
    with pytest.raises(InputError, match=f"1 {kind}"):
        check_split(**(clean | changes), subsets=subsets, protocol="speaker")


def test_the_clip_protocol_may_share_actors_but_no_sound():
    shared = {"clips": ["a", "b"], "actors": [1, 1], "subsets": ["train", "test"], "protocol": "clip"}
    check_split(**shared, fingerprints=["x", "y"])
    with pytest.raises(InputError, match="sound"):
        check_split(**shared, fingerprints=["x", "x"])


def test_copies_of_clips_outside_training_are_found():
    check_copies([0, 0], ["train", "test"])
    with pytest.raises(InputError, match="outside training"):
        check_copies([0, 1], ["train", "test"])


def test_a_clip_name_is_read():
    assert parse_name("AudioWAV/1076_IEO_SAD_HI.wav") == ClipName("1076_IEO_SAD_HI", 1076, "IEO", "sadness", "HI")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("recording.wav", "ACTOR_SENTENCE_EMOTION_LEVEL"),
        ("1001_DFA_JOY_XX.wav", "unknown emotion 'JOY'"),
        ("1001_ABC_ANG_XX.wav", "unknown sentence 'ABC'"),
        ("1040_ITH_SAD_X.wav", "unknown level 'X'"),
        ("abc_DFA_ANG_XX.wav", "ACTOR"),
    ],
)
def test_names_that_are_not_crema_ds_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        parse_name(name)


def test_the_same_sound_under_two_labels_rejects_both_and_under_one_the_second():
    clips = [
        {"file": f"{clip}.wav", "clip": clip, "emotion": emotion, "fingerprint": fingerprint}
        for clip, emotion, fingerprint in (
            ("a", "anger", "1"),
            ("b", "fear", "1"),
            ("c", "fear", "2"),
            ("d", "fear", "2"),
            ("e", "fear", "3"),
        )
    ]
    reasons = find_contradictions(clips)
    assert sorted(reasons) == ["a.wav", "b.wav", "d.wav"]
    assert "a, b" in reasons["a.wav"]


def test_a_clip_under_two_endings_stays_once():
    clips = [
        {"file": f"a.{ending}", "clip": "a", "emotion": "anger", "fingerprint": sound}
        for ending, sound in (("wav", "1"), ("flac", "1"), ("mp3", "2"))
    ]
    reasons = find_contradictions(clips)
    assert sorted(reasons) == ["a.mp3", "a.wav"]
    assert "a.flac under another ending" in reasons["a.wav"]


def test_votes_are_those_of_voice_only_listeners():
    rows = [
        {"": number, "fileName": "x", **dict(zip("ADFHNS", range(6), strict=True))} for number in ("100001", "200001")
    ]
    rows[1]["A"] = 9
    assert listener_votes(rows) == {"x": dict(zip(EMOTIONS, range(6), strict=True))}
    with pytest.raises(InputError, match="tabulatedVotes"):
        listener_votes([{"": "100001", "A": "many"}])
    actor = {"ActorID": "1001", "Age": "", "Sex": "Female", "Race": "Asian", "Ethnicity": "Hispanic"}
    assert demographics([actor])[1001]["age"] is None
    with pytest.raises(InputError, match="VideoDemographics"):
        demographics([{"ActorID": "1001"}])
