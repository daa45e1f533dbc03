"""``benchmarks/results.md`` from what was measured."""

from itertools import pairwise

from benchmarks.pipeline import COLD_CLIPS, GOAL_UAR, NAIVE_CLIPS
from benchmarks.simulation import SHARD_ROWS
from benchmarks.timing import REPEATS
from studies.tables import markdown

INTRODUCTION = f"""# Benchmarks

Written by `make bench` from `benchmarks/results.json`; one part is measured by
`.venv-bench/bin/python -m benchmarks PART`. The peers are installed only for this, from
`benchmarks/requirements.lock`. Candidates take turns, {REPEATS} rounds unless said otherwise; a figure is the median, a
ratio the median of the rounds' ratios.
"""


def page(results: dict) -> str:
    """The page, with the parts that were measured."""
    parts = [INTRODUCTION]
    for name, section in SECTIONS.items():
        if name in results:
            part = results[name]
            about = ", ".join(f"{key} {value}" for key, value in part["machine"].items())
            text = section(part["found"])
            if name == "features" and "operations" in results:
                text += f"\n\n{stages_limit(part, results['operations']['found']['limits'])}"
            parts.append(f"{text}\n\n*{part['date']}; {about}.*\n")
    if {"features", "scaling"} <= set(results):
        parts.append(outlook(results["features"], results["scaling"]["found"]))
    return "\n".join(parts)


def operations_section(found: dict) -> str:
    bound = found["limits"]
    rows = []
    for row in found["rows"]:
        low, high = row["smallest and largest"]
        rate = [f"{row['clips a second']:.0f}", f"{low:.0f} to {high:.0f}"]
        cells = [row["operation"], row["candidate"], *rate]
        if row["candidate"] == "ser":
            reached = row["clips a second"] / bound["bare"][row["operation"]]
            rows.append([*cells, "", "", f"{bound['bare'][row['operation']]:.0f} ({reached:.0%})"])
        else:
            rows.append([*cells, f"{row['ser is faster by']:.2f}", row["largest difference"], ""])
    versions = ", ".join(f"{package} {version}" for package, version in found["versions"].items())
    header = ["operation", "candidate", "clips a second", "smallest to largest", "times as long as ser", "differs by"]
    return f"""## Operations, on one thread

64 clips of 3 s at 16 kHz, settings of `params.yaml`. "Differs by" is the largest absolute difference of the outputs.
"The machine allows" is the rate of what no implementation gets around, on frames that lie ready (the operation's
Fourier transforms only; for RMS and zero-crossing rate, copying the frames once), and the share of it reached by ser.

{markdown([*header, "the machine allows"], rows)}

Decoding by libsndfile from the page cache: {bound["decode"]:.0f} clips a second. Memory, read and written:
{bound["memory bytes a second"] / 1e9:.1f} GB a second. These, and what the machine allows, are of twice as many rounds.

{versions}."""


def features_section(found: dict) -> str:
    sizes = markdown(
        ["artifact", "MB", "bytes a clip"],
        [
            [f"`{name}`", f"{size / 1e6:.1f}", f"{size / found['clips']:.0f}"]
            for name, size in found["artifact bytes"].items()
        ],
    )
    scripts = [
        [
            f"`benchmarks/naive.py`, {tracker}",
            f"{row['clips a second']:.2f}",
            f"**{row['times as fast']:.1f}**",
            ", ".join(f"{value:.1f}" for value in row["each round"]),
        ]
        for tracker, row in found["naive"].items()
    ]
    own = ["the stages", f"{found['stages, clips a second']:.1f}", "", ""]
    return f"""## Audio to features

`split` to `spectrograms` with three copies of each clip, by noise, shift and pitch, on all {found["clips"]} clips of
`{found["corpus"]}`, every stage's start-up included, against `benchmarks/naive.py` on {NAIVE_CLIPS} of them, its
start-up not counted; both warm, on the same cores. The script finds pitch with librosa's `yin`, which takes every
frame for voiced and so gives a column less than the stages, or with `pyin`, which says how voiced a frame is, as the
stages do.

{markdown(["", "clips a second", "the stages are faster by", "in each round"], [own, *scripts])}

{sizes}"""


def stages_limit(features: dict, limits: dict) -> str:
    """What decoding and Fourier transforms allow the stages as a whole, from their rates on one thread."""
    bare, cores = limits["bare"], features["machine"]["cores"]
    row_seconds = 2 / bare["log-mel"] + 1 / bare["RMS, zero-crossing rate and pitch"]
    clip_seconds = 1 / limits["decode"] + 1 / bare["pitch shift"] + 4 * row_seconds
    reached = features["found"]["stages, clips a second"] * clip_seconds / cores
    return f"""No implementation gets around decoding a clip, the transforms of one pitch shift, and for each of the
four rows those of two log-mel spectrograms and of the pitch: {1000 * clip_seconds:.1f} ms by the rates below, or
{cores / clip_seconds:.0f} clips a second on {cores} cores. The stages, which also check, shift, add noise, compute the
other features, write and hash, reach {reached:.0%} of that."""


def cold_section(found: dict) -> str:
    return f"""## The first run after an install

On {COLD_CLIPS} clips, with nothing compiled yet, neither by Python nor by Numba: the stages
{found["stages, seconds"]:.1f} s, the naive script {found["naive script, seconds"]:.1f} s,
with `yin`, {found["times as fast"]:.2f} times as long."""


def growth_section(found: list[dict]) -> str:
    first = found[0]
    stages = list(first["peak bytes"])
    rows = [
        [
            str(row["clips"]),
            f"{row['seconds']:.1f}",
            f"{row['clips'] / row['seconds']:.1f}",
            *(f"{row['peak bytes'][stage] / 1e6:.0f}" for stage in stages),
            f"{row['artifact bytes'] / 1e6:.0f}",
        ]
        for row in found
    ]
    slopes = [
        (later["seconds"] - earlier["seconds"]) / (later["clips"] - earlier["clips"])
        for earlier, later in pairwise(found)
    ]
    rise = max(found[-1]["peak bytes"].values()) / max(first["peak bytes"].values()) - 1
    header = ["clips", "seconds", "clips a second", *(f"`{stage}`, MB" for stage in stages), "artifacts, MB"]
    return f"""## Growth

The same corpus 1, 4 and 16 times over. Memory is the largest sum of the resident memory of a stage's processes,
what they share counted for each. From the first size to the last the peak changes by {rise:+.1%}; a further clip
costs {1000 * slopes[0]:.1f} ms between the first two sizes, {1000 * slopes[-1]:.1f} ms between the last two
({slopes[-1] / slopes[0] - 1:+.0%}).

{markdown(header, rows)}"""


def caching_section(found: dict) -> str:
    rows = [[f"`{key}`", f"{share:.0%}"] for key, share in found["share of a full run"].items()]
    return f"""## Caching

On the demo corpus, with trainings of two epochs; changes and the full run measured once. A full run takes
{found["full run, seconds"]:.0f} s, `dvc repro` with nothing to do {found["nothing to do, seconds"]:.1f} s, changing
between two commits with `git checkout` and `dvc checkout` {found["checkout, seconds"]:.1f} s.

{markdown(["after a change of", "share of a full run"], rows)}"""


def training_section(found: dict) -> str:
    rates = " and ".join(f"{row['multiplications a second'] / 1e9:.0f}" for row in found.values())
    rows = [
        [
            network,
            str(row["training clips"]),
            f"{row['milliseconds a clip']:.2f}",
            f"{training_limit(row):.2f} ({training_limit(row) / row['milliseconds a clip']:.0%})",
            f"{row['waiting for input']:.0%}",
            f"{row['seconds to the goal']:.0f}" if row["seconds to the goal"] else f"not in {row['epochs run']} epochs",
            f"{row['best validation UAR']:.3f}",
        ]
        for network, row in found.items()
    ]
    precision = ", ".join(dict.fromkeys(row["precision"] for row in found.values()))
    header = [
        "network",
        "training clips",
        "ms a training clip and epoch, validation included",
        "ms that the machine allows",
        "waiting for input",
        f"seconds to {GOAL_UAR} validation UAR",
        "best validation UAR until then",
    ]
    return f"""## Training

Split `speaker`, parameters of `params.yaml`, each network trained once, with all cores, in `{precision}`; of its epochs
the median. What the machine allows is the time of the multiplications only, three
times a forward pass for a training clip and one for a validation clip, at the rate of a float32 matrix product on all
cores ({rates} billion a second beside the two trainings); in brackets, the share of it that is reached. In bfloat16 a
processor multiplies about twice as fast.

{markdown(header, rows)}"""


def training_limit(row: dict) -> float:
    """Milliseconds a training clip of the multiplications alone.

    A training step takes three for one of the forward pass: the pass, the gradient of its input, that of its weights.
    """
    passes = 3 + row["validation clips"] / row["training clips"]
    return 1000 * passes * row["multiplications a clip"] / row["multiplications a second"]


def answers_section(found: dict) -> str:
    server = found["server"]
    percentiles = ", ".join(f"{name} {value:.0f} ms" for name, value in server["milliseconds"].items())
    return f"""## Answers

`ser predict --csv` answers the first file after {found["seconds for one file"]:.1f} s, then
{found["files a second"]:.0f} of {found["files"]} clips a second, {found["all files a second"]:.0f} of all
{found["all files"]} a second with its start, and an hour of speech in {found["seconds for an hour"]:.1f} s with
its start. `ser app` answers {server["requests a second"]:.0f} requests a second of {server["clients"]} clients that
share the {server["processors"]} processors with it: {percentiles}."""


def scaling_section(found: dict) -> str:
    index, reading = found["index"], found["reading"]
    seconds = [[name.removesuffix(", seconds"), f"{value:.1f}"] for name, value in index.items() if "seconds" in name]
    parquet_mb, resident_gb = index["Parquet bytes"] / 1e6, index["resident bytes"] / 1e9
    shards, one = reading["rows a second, shards"], reading["rows a second, one NPY"]
    written_mb, hashed_mb = found["one writer, bytes a second"] / 1e6, found["hash, bytes a second"] / 1e6
    return f"""## A million clips, simulated

The index repeated to {found["clips"]:,} clips: {parquet_mb:.0f} MB of Parquet, {resident_gb:.1f} GB in memory.

{markdown(["part", "seconds"], seconds)}

Spectrograms as {reading["shards"]} shards of {SHARD_ROWS} rows: {shards:.0f} random rows a second, from one NPY
{one:.0f}, both out of the page cache (the shards are links to one file, the one NPY is sparse);
all shards are open after {reading["opening all shards, seconds"]:.2f} s. The
process that writes an artifact takes {written_mb:.0f} MB a second of chunks made by threads beside it; MD5, by which
DVC knows a file, takes {hashed_mb:.0f} MB a second."""


SIZES = {"10 thousand": 10**4, "1 million": 10**6, "100 million": 10**8}


def outlook(features: dict, scaling: dict) -> str:
    """Hours and bytes at larger sizes, worked out from the measured rates."""
    found, cores = features["found"], features["machine"]["cores"]
    core_seconds = cores / found["stages, clips a second"]
    sizes = {name: size / found["clips"] for name, size in found["artifact bytes"].items()}
    largest = max(sizes.values())
    rows = []
    for title, clips in SIZES.items():
        core_hours = clips * core_seconds / 3600
        written = clips * sum(sizes.values())
        rows.append(
            [
                title,
                f"{clips * 2.5 / 3600:,.0f}",
                f"{core_hours:,.1f}",
                f"{max(1, round(core_hours)):,}",
                f"{written / 1e9:,.0f}",
                f"{written / scaling['one writer, bytes a second'] / 3600:,.1f}",
                f"{clips * largest / scaling['hash, bytes a second'] / 3600:,.1f}",
            ]
        )
    header = [
        "clips",
        "hours of speech",
        "processor hours, `split` to `spectrograms`",
        "processors to be done in an hour",
        "artifacts, GB",
        "hours for one writer",
        "hours to hash the largest artifact as one file",
    ]
    return f"""## Larger corpora, worked out

From the rates above: {1000 * core_seconds:.0f} ms of a processor and {sum(sizes.values()) / 1e3:.0f} kB a clip, copies
by noise, shift and pitch included. What it means, and what the simulated devices cost, is in
[docs/scaling.md](../docs/scaling.md).

{markdown(header, rows)}
"""


SECTIONS = {
    "features": features_section,
    "cold": cold_section,
    "operations": operations_section,
    "growth": growth_section,
    "caching": caching_section,
    "training": training_section,
    "answers": answers_section,
    "scaling": scaling_section,
}
