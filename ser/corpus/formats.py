"""The corpora that can be read, a module each."""

from ser.corpus import audformat, audiofolder, crema_d, emodb, ravdess, table, tess

FORMATS = {
    "crema-d": crema_d.FORMAT,
    "ravdess": ravdess.FORMAT,
    "tess": tess.FORMAT,
    "emodb": emodb.FORMAT,
    "table": table.FORMAT,
    "audiofolder": audiofolder.FORMAT,
    "audformat": audformat.FORMAT,
}
DEMO = {"name": "demo corpus (synthetic)", "licence": "trained on synthetic sounds only; answers mean nothing"}


def describe(folder: str, format_name: str) -> dict[str, str]:
    """Name and licence of the corpus in a folder, for what is trained on it."""
    if folder.rstrip("/").endswith("data/demo"):
        return DEMO
    return {"name": FORMATS[format_name].name, "licence": FORMATS[format_name].licence}
