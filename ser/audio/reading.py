"""Decoding recordings: libsndfile first, FFmpeg (by PyAV) for what phones, browsers and messengers make.

A recording is decoded in blocks, so memory does not grow with it, and a header is never believed: what is
counted are the samples that came.
"""

import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ser.artifacts import GIT_LFS_MARK, LFS_ADVICE
from ser.errors import InputError

SNDFILE_SUFFIXES = (".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64")
FFMPEG_SUFFIXES = (".3gp", ".aac", ".amr", ".m4a", ".mka", ".mkv", ".mov", ".mp4", ".weba", ".webm", ".wma")
AUDIO_SUFFIXES = tuple(sorted((*SNDFILE_SUFFIXES, *FFMPEG_SUFFIXES, ".wav")))
# Containers that FFmpeg may open: sound, and video with sound. No playlist and no list of other files.
FFMPEG_FORMATS = ("aac", "ac3", "amr", "asf", "avi", "flac", "flv", "matroska", "mov", "mp3", "mpegts", "ogg", "wav")
KNOWS_ITS_LENGTH = ("mov", "matroska")  # containers whose header states the duration, and not an estimate
# Decoders that FFmpeg may use: of sound, so that no picture is unpacked.
FFMPEG_CODECS = (
    *(
        "aac",
        "aac_fixed",
        "aac_latm",
        "ac3",
        "alac",
        "amrnb",
        "amrwb",
        "libopencore_amrnb",
        "eac3",
        "flac",
        "gsm",
        "gsm_ms",
    ),
    *(
        "libopus",
        "libvorbis",
        "mp2",
        "mp2float",
        "mp3",
        "mp3float",
        "opus",
        "vorbis",
        "wavpack",
        "wmav1",
        "wmav2",
        "wmapro",
    ),
    *("adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64le", "pcm_mulaw"),
    *("pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8"),
)
MOST_TRACKS = 32
LARGEST_PACKET_BYTES = 2_000_000  # of sound; a container that gives more at once was not made by a recorder
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 768_000
MOST_CHANNELS = 64
BLOCK_VALUES = 2**20  # samples times channels decoded at once: 4 MB in float32
UNKNOWN_WAV_BYTES = 0x7FFFF000  # SoX writes this, others 0 or the most there is, before they know the length
UNKNOWN_SAMPLES = 2**62  # libsndfile announces more than this where a stream does not say its length
PIPE_PATIENCE_SECONDS = 10.0  # until the first byte

Source = str | Path | BinaryIO


@dataclass(frozen=True)
class Recording:
    """An open recording.

    Attributes
    ----------
    sample_rate : Hz
    channels : number
    announced_samples : of each channel, by the header; ``None`` where it does not say
    blocks : gives the consecutive parts, each ``(samples, channels)``, full scale 1; to be called once
    """

    sample_rate: int
    channels: int
    announced_samples: int | None
    blocks: Callable[[], Iterator[NDArray[np.float32]]]


@contextmanager
def open_recording(source) -> Iterator[Recording]:
    """Open a recording of any format that libsndfile or FFmpeg reads.

    Parameters
    ----------
    source : a path, a binary stream that can be rewound, or a remote file below a ``ser.artifacts.location``

    Raises
    ------
    InputError : missing, unreadable, a Git LFS pointer, not sound, or of a rate that no recording has;
        from ``blocks``: no sample in it, or fewer than its header announces
    """
    import soundfile

    with ExitStack() as stack:
        source = _prepared(source, stack)
        name = name_of(source)
        _refuse_cut_wav(source)
        try:
            # An open file instead of its name: by the name libsndfile would look into neighbours, such as ._NAME.
            opened = _opened(source, stack)
            handle = opened.fileno() if isinstance(source, str | Path) else opened
            file = stack.enter_context(soundfile.SoundFile(handle, closefd=False))
        except (OSError, soundfile.SoundFileError) as error:
            reason = _why_unopened(source)
            if reason:
                raise InputError(f"{name}: {reason}") from error
            recording = _open_by_ffmpeg(source, stack, str(error))
        else:
            # Of MPEG audio libsndfile estimates the length by the first frames, and reads no further.
            mpeg = file.format == "MP3" or "MPEG" in file.subtype
            recording = _open_by_ffmpeg(source, stack, "MPEG audio") if mpeg else _of_sndfile(file, name)
        _refuse_odd_rate(recording, name)
        yield recording


def read_audio(source) -> tuple[NDArray[np.float32], int]:
    """Decode a whole recording.

    Parameters
    ----------
    source : see ``open_recording``

    Returns
    -------
    samples of shape ``(samples, channels)``, full scale 1, and the sample rate in Hz

    Raises
    ------
    InputError : see ``open_recording``
    """
    with open_recording(source) as recording:
        blocks = list(recording.blocks())
        return (blocks[0] if len(blocks) == 1 else np.concatenate(blocks)), recording.sample_rate


def read_audio_part(source, start_seconds: float, end_seconds: float) -> tuple[NDArray[np.float32], int]:
    """Decode a stretch of a recording: the mean of its channels ``(samples, 1)`` and the sample rate in Hz."""
    with open_recording(source) as recording:
        first, last = round(start_seconds * recording.sample_rate), round(end_seconds * recording.sample_rate)
        parts, position = [], 0
        for block in recording.blocks():
            part = block[max(0, first - position) : max(0, last - position)]
            parts.append(part.mean(axis=1, dtype=np.float32, keepdims=True) if part.shape[1] > 1 else part)
            position += len(block)
            if position >= last:
                break
        return np.concatenate(parts), recording.sample_rate


def name_of(source: Source) -> str:
    """What a message calls a source: its path, or the name that a stream carries."""
    if isinstance(source, str | Path):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "standard input"


def _prepared(source, stack: ExitStack) -> Source:
    """A regular file's path, or a stream that can be rewound; a pipe is read, a remote file downloaded."""
    if isinstance(source, str | Path):
        return _regular(source, stack)
    return source if hasattr(source, "seek") else _downloaded(source)


def _regular(path: str | Path, stack: ExitStack) -> Source:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", "") or error
        raise InputError(f"{path}: {reason}") from error
    if stat.S_ISREG(mode):
        return path
    if stat.S_ISFIFO(mode):
        stream = BytesIO(_read_pipe(path))
        stream.name = str(path)
        return stack.enter_context(stream)
    kind = "a folder" if stat.S_ISDIR(mode) else "a device or a socket"
    raise InputError(f"{path}: {kind}, not a recording")


def _read_pipe(path: str | Path) -> bytes:
    """All that comes through a named pipe; one that nobody writes to is given up after a while."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not select.select([handle], [], [], PIPE_PATIENCE_SECONDS)[0]:
            raise InputError(f"{path}: a pipe that nobody writes to; nothing came in {PIPE_PATIENCE_SECONDS:.0f} s")
        os.set_blocking(handle, True)
        with open(handle, "rb", closefd=False) as pipe:
            return pipe.read()
    finally:
        os.close(handle)


def _downloaded(source) -> BytesIO:
    """A remote file as a stream that knows its name."""
    try:
        stream = BytesIO(source.read_bytes())
    except Exception as error:  # every file system of fsspec raises exceptions of its own
        raise InputError(f"{source}: cannot be read ({str(error) or type(error).__name__})") from error
    stream.name = str(source)
    return stream


def _of_sndfile(file, name: str) -> Recording:
    announced = file.frames if file.frames < UNKNOWN_SAMPLES else None

    def blocks() -> Iterator[NDArray[np.float32]]:
        import soundfile

        size, seen = max(1, BLOCK_VALUES // file.channels), 0
        try:
            # Counted out: of a codec that cannot seek, libsndfile reads a stated number of samples only.
            while (wanted := size if announced is None else min(size, announced - seen)) > 0:
                block = file.read(wanted, dtype="float32", always_2d=True)
                if len(block) == 0:
                    break
                seen += len(block)
                yield block
        except (OSError, soundfile.SoundFileError) as error:
            raise InputError(f"{name}: damaged after {seen} samples ({str(error).rstrip('.')})") from error
        _refuse_cut(name, seen, announced)

    return Recording(file.samplerate, file.channels, announced, blocks)


def _open_by_ffmpeg(source: Source, stack: ExitStack, reason: str) -> Recording:
    """Open what libsndfile does not know; nothing but this one file is ever read."""
    name, size = name_of(source), _size(source)
    neither = f"{name}: not a sound file that libsndfile or FFmpeg reads ({{}}; {size} bytes)"
    try:
        import av
    except ImportError as error:
        raise InputError(f"{neither.format(reason.rstrip('.'))}. For M4A, WebM and others: pip install av") from error

    def refuse(*_, **__):
        raise PermissionError("a file that names other files is not opened")

    stream = _opened(source, stack)
    options = {
        "format_whitelist": ",".join(FFMPEG_FORMATS),
        "codec_whitelist": ",".join(FFMPEG_CODECS),
        "protocol_whitelist": "none",
        "max_streams": str(MOST_TRACKS),
    }
    _refuse_packed_index(stream, name)
    try:
        container = stack.enter_context(av.open(stream, "r", options=options, io_open=refuse, metadata_errors="ignore"))
        if not container.streams.audio:
            raise InputError(f"{name}: holds no sound ({container.format.name}; {size} bytes)")
        track = container.streams.audio[0]
        rate, channels = track.codec_context.sample_rate, track.codec_context.channels
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(neither.format(getattr(error, "strerror", None) or error)) from error
    announced = _announced_by_ffmpeg(container, track, rate)

    def blocks() -> Iterator[NDArray[np.float32]]:
        seen, packed, held, reached_seconds = 0, [], 0, 0.0
        try:
            # Packed, in one plane: of more than eight planes PyAV reads past the pointers that a frame has.
            resampler = av.AudioResampler(format="flt", layout=track.codec_context.layout, rate=rate)
            for packet in container.demux(track):
                if packet.size > LARGEST_PACKET_BYTES:
                    raise ValueError(f"{packet.size} bytes of sound in one packet")
                for frame in packet.decode():
                    reached_seconds = max(reached_seconds, (frame.time or 0.0) + frame.samples / rate)
                    for part in resampler.resample(frame):
                        packed.append(part.to_ndarray().reshape(-1, channels))
                        held += packed[-1].size
                if held >= BLOCK_VALUES:
                    yield (block := np.concatenate(packed).astype(np.float32))
                    seen, packed, held = seen + len(block), [], 0
        except (av.FFmpegError, OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise InputError(f"{name}: damaged after {seen} samples ({why})") from error
        if packed:
            yield (block := np.concatenate(packed).astype(np.float32))
            seen += len(block)
        if seen == 0:
            raise InputError(f"{name}: holds no sample.")
        # By time stamps: a recorder that paused, or sent nothing while nobody spoke, leaves gaps. Encoders pad, and cut
        # the padding away again: a tenth of a second is no lack.
        _refuse_cut(name, max(seen, round(reached_seconds * rate)), announced, tolerance=rate // 10)

    return Recording(rate, channels, announced, blocks)


def _announced_by_ffmpeg(container, track, rate: int) -> int | None:
    """Samples by the header of a container that states them; elsewhere FFmpeg's durations are estimates."""
    if not set(container.format.name.split(",")) & set(KNOWS_ITS_LENGTH):
        return None
    if track.duration:
        return int(track.duration * track.time_base * rate)
    if container.duration and len(container.streams) == 1:  # of the longest track, in microseconds
        return int(container.duration * rate // 1_000_000)
    return None


def _refuse_odd_rate(recording: Recording, name: str) -> None:
    if not LOWEST_RATE_HZ <= recording.sample_rate <= HIGHEST_RATE_HZ:
        raise InputError(
            f"{name}: a sample rate of {recording.sample_rate} Hz; expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}. "
            f"Is the header damaged?"
        )
    if not 1 <= recording.channels <= MOST_CHANNELS:
        raise InputError(f"{name}: {recording.channels} channels; expected 1 to {MOST_CHANNELS}")


def _refuse_cut(name: str, seen: int, announced: int | None, *, tolerance: int = 0) -> None:
    if seen == 0:
        raise InputError(f"{name}: holds no sample.")
    if announced is not None and seen < announced - tolerance:
        raise InputError(f"{name}: cut short, {seen} of {announced} samples. Was the download finished?")


def _refuse_cut_wav(source: Source) -> None:
    """libsndfile reads a cut WAV file as a shorter one; its header tells how long it was."""
    try:
        header, size = _first_bytes(source, 8), _size(source)
    except OSError as error:
        raise InputError(f"{source}: {_system_reason(error)}") from error
    announced = int.from_bytes(header[4:], "little") + 8
    unknown = announced == 8 or announced >= UNKNOWN_WAV_BYTES
    if header[:4] == b"RIFF" and announced > size and not unknown:
        raise InputError(f"{name_of(source)}: cut short, {size} of {announced} bytes. Was the download finished?")


def _why_unopened(source: Source) -> str:
    """Why no decoder needs to be asked: nothing in it, or a pointer; empty where that does not explain it."""
    size = _size(source)
    if size == 0:
        return "an empty file" if isinstance(source, str | Path) else "empty: not a byte was received"
    return LFS_ADVICE if _first_bytes(source, len(GIT_LFS_MARK)) == GIT_LFS_MARK else ""


def _system_reason(error: OSError) -> str:
    return "no permission to read it" if isinstance(error, PermissionError) else error.strerror or str(error)


def _opened(source: Source, stack: ExitStack) -> BinaryIO:
    """An open file, or a stream from its start."""
    if isinstance(source, str | Path):
        return stack.enter_context(open(os.fsencode(source), "rb"))
    source.seek(0)
    return source


def _refuse_packed_index(stream: BinaryIO, name: str) -> None:
    """A QuickTime file may hold its index compressed (``cmov``), a thousand times smaller than it is in memory."""
    position = 0
    for _ in range(1000):
        stream.seek(position)
        header = stream.read(16)
        size, kind, inner = int.from_bytes(header[:4]), header[4:8], header[12:16]
        if len(header) < 16 or (kind == b"moov" and inner == b"cmov"):
            break
        position += int.from_bytes(header[8:16]) if size == 1 else max(size, 8)
    else:
        header = b""
    stream.seek(0)
    if header[4:8] == b"moov" and header[12:16] == b"cmov":
        raise InputError(f"{name}: its index is compressed, which is not opened. Save it again in another format.")


def _first_bytes(source: Source, count: int) -> bytes:
    if isinstance(source, str | Path):
        with open(source, "rb") as file:
            return file.read(count)
    source.seek(0)
    return source.read(count)


def _size(source: Source) -> int:
    if isinstance(source, str | Path):
        return os.stat(source).st_size
    return source.seek(0, os.SEEK_END)
