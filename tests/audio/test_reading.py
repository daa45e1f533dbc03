"""Recordings as phones, browsers, messengers and old recorders make them; and files that only claim to be some."""

import io as streams
import os
import subprocess
import sys
import threading
import zlib
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from helpers import SAMPLE_RATE, sine

from ser.audio import reading
from ser.audio.reading import open_recording, read_audio, read_audio_part
from ser.errors import InputError

av = pytest.importorskip("av")
# Container, codec and sample rate of what is recorded every day.
EVERYDAY = {
    "phone.m4a": ("mp4", "aac", 44100),
    "phone.3gp": ("3gp", "aac", 16000),
    "browser.webm": ("webm", "libopus", 48000),
    "video.mp4": ("mp4", "aac", 48000),
    "video.mkv": ("matroska", "libopus", 48000),
    "radio.aac": ("adts", "aac", 44100),
    "windows.wma": ("asf", "wmav2", 44100),
    "camera.mov": ("mov", "pcm_s16le", 48000),
    "messenger.amr": ("amr", "libopencore_amrnb", 8000),
}
# Codecs in which libsndfile cannot seek.
UNSEEKABLE = {
    "gsm.wav": ("WAV", "GSM610", 8000),
    "gsm.aiff": ("AIFF", "GSM610", 8000),
    "g721.au": ("AU", "G721_32", 8000),
    "g723_24.au": ("AU", "G723_24", 8000),
    "g723_40.au": ("AU", "G723_40", 8000),
    "nms_16.wav": ("WAV", "NMS_ADPCM_16", 8000),
    "nms_24.wav": ("WAV", "NMS_ADPCM_24", 8000),
    "nms_32.wav": ("WAV", "NMS_ADPCM_32", 8000),
}


def recorded(path, container: str, codec: str, rate: int, *, seconds: float = 2.0, video: bool = False) -> bytes:
    """A tone of 440 Hz, encoded by FFmpeg."""
    try:
        with av.open(str(path), "w", format=container) as file:
            picture = file.add_stream("mpeg4", rate=10) if video else None
            track = file.add_stream(codec, rate=rate, layout="mono")
            track.bit_rate = 12_200 if "amr" in codec else 64_000
            if picture:
                picture.width = picture.height = 64
                for _ in range(round(10 * seconds)):
                    file.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
                file.mux(picture.encode(None))
            samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)
            resampler = av.AudioResampler(
                track.codec_context.format, "mono", rate, track.codec_context.frame_size or 960
            )
            frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], "s16", "mono")
            frame.sample_rate = rate
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                file.mux(track.encode(part))
            file.mux(track.encode(None))
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this build of PyAV writes no {codec} in {container}: {error}")
    return path.read_bytes()


def heard_hz(samples: np.ndarray, rate: int) -> float:
    """Frequency of the loudest component of the second half second."""
    part = samples[rate // 2 : rate, 0]
    return np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * rate))) / 8


@pytest.mark.parametrize("name", EVERYDAY)
def test_everyday_recordings_are_read_from_a_path_and_from_a_stream(tmp_path, name):
    container, codec, rate = EVERYDAY[name]
    content = recorded(tmp_path / name, container, codec, rate, video=name.startswith(("video", "camera")))
    for source in (tmp_path / name, streams.BytesIO(content)):
        samples, found = read_audio(source)
        assert found == rate
        assert len(samples) == pytest.approx(2 * rate, abs=0.15 * rate)
        assert heard_hz(samples, rate) == pytest.approx(440, abs=3)
    assert name.endswith(tuple(reading.AUDIO_SUFFIXES))


@pytest.mark.parametrize("name", UNSEEKABLE)
def test_codecs_that_cannot_seek_are_read(tmp_path, name):
    container, codec, rate = UNSEEKABLE[name]
    tone = np.resize(sine(440, seconds=1.0)[::2], 2 * rate)
    try:
        soundfile.write(tmp_path / name, tone, rate, format=container, subtype=codec)
    except (ValueError, soundfile.SoundFileError) as error:
        pytest.skip(f"this libsndfile writes no {codec} in {container}: {error}")
    samples, found = read_audio(tmp_path / name)
    assert found == rate
    assert len(samples) >= 2 * rate
    assert heard_hz(samples, rate) == pytest.approx(440, abs=3)


def test_a_long_m4a_is_read_in_blocks_and_part_by_part(tmp_path):
    recorded(tmp_path / "a.m4a", "mp4", "aac", 48000, seconds=60.0)
    with open_recording(tmp_path / "a.m4a") as recording:
        blocks = list(recording.blocks())
    assert len(blocks) > 1
    assert max(block.size for block in blocks) < 1.1 * reading.BLOCK_VALUES
    whole = np.concatenate(blocks)
    part, rate = read_audio_part(tmp_path / "a.m4a", 30.0, 31.0)
    np.testing.assert_array_equal(part, whole[30 * rate : 31 * rate])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", ["phone.m4a", "video.mkv"])
def test_a_cut_or_damaged_recording_is_refused(tmp_path, name, share):
    container, codec, rate = EVERYDAY[name]
    content = recorded(tmp_path / name, container, codec, rate, seconds=20.0)
    (tmp_path / name).write_bytes(content[: round(share * len(content))])
    with pytest.raises(InputError, match=r"cut short|damaged|not a sound file"):
        read_audio(tmp_path / name)


def test_a_video_without_sound_says_so(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        picture = file.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        file.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(picture.encode(None))
    with pytest.raises(InputError, match="holds no sound"):
        read_audio(tmp_path / "a.mp4")


@pytest.mark.parametrize("suffix", [".m3u8", ".wav", ".m4a"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{name}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{name}'\n",
        "ffconcat version 1.0\nfile 'subfile,,start,0,end,0,,:{name}'\n",
    ],
)
def test_a_list_of_other_files_opens_none_of_them(tmp_path, text, suffix):
    soundfile.write(tmp_path / "secret.wav", sine(440), SAMPLE_RATE)
    (tmp_path / f"list{suffix}").write_text(text.format(name=tmp_path / "secret.wav"))
    with pytest.raises(InputError, match="not a sound file"):
        read_audio(tmp_path / f"list{suffix}")


def test_without_pyav_the_error_names_it(tmp_path, monkeypatch):
    recorded(tmp_path / "a.m4a", "mp4", "aac", 44100)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(InputError, match="pip install av"):
        read_audio(tmp_path / "a.m4a")


@pytest.mark.parametrize("rate", [1, 999, 768_001])
def test_a_rate_that_no_recording_has_is_refused(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", sine(440), rate)
    with pytest.raises(InputError, match=f"a sample rate of {rate} Hz"):
        read_audio(tmp_path / "a.wav")


def test_devices_and_folders_are_no_recordings(tmp_path):
    for path in ("/dev/zero", "/dev/null", tmp_path):
        with pytest.raises(InputError, match="not a recording"):
            read_audio(path)


def test_a_pipe_is_read_and_one_without_a_writer_is_given_up(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", sine(440), SAMPLE_RATE)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(
        target=lambda: (tmp_path / "pipe").write_bytes((tmp_path / "a.wav").read_bytes()), daemon=True
    )
    writer.start()
    np.testing.assert_array_equal(read_audio(tmp_path / "pipe")[0], read_audio(tmp_path / "a.wav")[0])
    writer.join()
    monkeypatch.setattr(reading, "PIPE_PATIENCE_SECONDS", 0.3)
    with pytest.raises(InputError, match="nobody writes to"):
        read_audio(tmp_path / "pipe")


def test_a_name_that_is_no_text_is_read(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.wav")
    soundfile.write(os.fsencode(name), sine(440), SAMPLE_RATE)
    assert len(read_audio(name)[0]) == SAMPLE_RATE


def peak_megabytes_of(path) -> float:
    """The most memory that a process holds which reads a recording."""
    script = (
        "import sys; from ser.audio.reading import read_audio\n"
        "try: read_audio(sys.argv[1])\n"
        "except ValueError: pass\n"
        "print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1000)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell the peak of a process's memory")
def test_pictures_beside_the_sound_are_not_unpacked(tmp_path):
    """A cover of 12,000 x 12,000 pixels is small in a file and half a gigabyte in memory."""
    with av.open(str(tmp_path / "a.mov"), "w") as file:
        picture, track = file.add_stream("png", rate=1), file.add_stream("aac", rate=48000, layout="mono")
        picture.width = picture.height = 12_000
        picture.pix_fmt = "rgb24"
        file.mux(picture.encode(av.VideoFrame(12_000, 12_000, "rgb24")))
        for start in range(0, 96_000, 1024):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1024), start % 100, np.float32) / 1000, "fltp", "mono")
            frame.sample_rate, frame.pts = 48_000, start
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
    assert len(read_audio(tmp_path / "a.mov")[0]) > 90_000
    assert peak_megabytes_of(tmp_path / "a.mov") < 250


@pytest.mark.slow
def test_a_compressed_index_is_not_unpacked(tmp_path):
    index = zlib.compress(bytes(300_000_000), 9)
    atom = lambda kind, content: (8 + len(content)).to_bytes(4, "big") + kind + content  # noqa: E731
    packed = atom(b"cmov", atom(b"dcom", b"zlib") + atom(b"cmvd", (300_000_000).to_bytes(4, "big") + index))
    (tmp_path / "a.mov").write_bytes(atom(b"ftyp", b"qt  " + bytes(4)) + atom(b"moov", packed))
    with pytest.raises(InputError, match="its index is compressed"):
        read_audio(tmp_path / "a.mov")


def test_a_packet_of_many_megabytes_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        track = file.add_stream("pcm_s16le", rate=48000, layout="mono")
        packet = av.Packet(bytes(20_000_000))
        packet.stream, packet.pts, packet.dts, packet.time_base = track, 0, 0, Fraction(1, 1000)
        file.mux(packet)
    with pytest.raises(InputError, match="in one packet"):
        read_audio(tmp_path / "a.mkv")


def test_neighbours_of_a_file_that_is_no_sound_are_not_opened(tmp_path):
    """Asked by name, libsndfile would take the sound of ._NAME, the resource fork of old Macintoshes."""
    (tmp_path / "a.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "._a.wav", sine(440), SAMPLE_RATE)
    with pytest.raises(InputError, match="not a sound file"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("name", "container", "codec", "layout", "channels"),
    [
        ("a.mkv", "matroska", "flac", "5.1", 6),
        ("a.mkv", "matroska", "flac", "7.1", 8),
        ("a.mov", "mov", "pcm_s16le", "7.1", 8),
        ("a.webm", "webm", "libopus", "7.1", 8),
        ("a.mkv", "matroska", "pcm_s16le", "hexadecagonal", 16),
    ],
)
def test_many_channels_are_read_each(tmp_path, name, container, codec, layout, channels):
    """Of more than eight planes PyAV would read past a frame's pointers, and the process end."""
    tones = np.stack(
        [0.2 * np.sin(2 * np.pi * 200 * (1 + place) * np.arange(48000) / 48000) for place in range(channels)]
    )
    frame = av.AudioFrame.from_ndarray(tones.T.reshape(1, -1).astype(np.float32), format="flt", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    with av.open(str(tmp_path / name), "w", format=container) as file:
        stream = file.add_stream(codec, rate=48000)
        stream.layout = layout
        stream.codec_context.open()
        own = stream.codec_context
        to = av.AudioResampler(format=own.format, layout=layout, rate=48000, frame_size=own.frame_size or 1024)
        for packet in (p for part in [*to.resample(frame), *to.resample(None), None] for p in stream.encode(part)):
            file.mux(packet)
    samples, rate = read_audio(tmp_path / name)
    assert (samples.shape[1], rate) == (channels, 48000)
    if codec != "libopus":
        np.testing.assert_allclose(samples.T, tones, atol=1e-4)


class Pipe:
    """What an encoder cannot go back in, so that no header says how long the sound is."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> int:
        self.written += bytes(data)
        return len(data)


def encoded(target, container: str, codec: str, rate: int, *, keep=lambda seconds: True, later=lambda seconds: 0.0):
    """Two seconds of a tone as packets, some of which are left out or come later."""
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate, dtype=np.float32) / rate)[None]
    with av.open(target, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.layout = "mono"
        stream.codec_context.open()
        own = stream.codec_context
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        to = av.AudioResampler(format=own.format, layout="mono", rate=rate, frame_size=own.frame_size or 1024)
        for packet in (p for part in [*to.resample(frame), *to.resample(None), None] for p in stream.encode(part)):
            seconds = float(packet.pts * packet.time_base)
            if keep(seconds):
                moved = round(later(seconds) / packet.time_base)
                packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                file.mux(packet)


@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("mp2", "mp2"), ("wav", "libmp3lame")])
def test_mpeg_audio_is_read_to_its_end_whatever_a_header_estimates(tmp_path, container, codec):
    pipe = Pipe()
    encoded(pipe, container, codec, 44100)
    (tmp_path / "a.mp3").write_bytes(pipe.written)
    samples, rate = read_audio(tmp_path / "a.mp3")
    assert len(samples) / rate == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("container", "codec", "rate"), [("webm", "libopus", 48000), ("ipod", "aac", 44100)])
@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        ({"keep": lambda seconds: not 0.5 <= seconds < 1.0}, 1.5),
        ({"later": lambda seconds: 3.0}, 2.0),
        ({"later": lambda seconds: 2.0 * (seconds > 1)}, 2.0),
    ],
)
def test_gaps_and_a_late_start_are_no_lack(tmp_path, container, codec, rate, how, seconds):
    encoded(str(tmp_path / "a.bin"), container, codec, rate, **how)
    samples, found = read_audio(tmp_path / "a.bin")
    assert len(samples) / found == pytest.approx(seconds, abs=0.1)
