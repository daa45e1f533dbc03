"""The columns of a feature array, as they are written beside it: name, family, and response to level."""

from collections.abc import Sequence

from ser.features.frame_features import FAMILIES, feature_names, level_response

COLUMNS = ["name", "family", "rise_per_db"]


def column_rows(families: Sequence[str] = FAMILIES, *, n_mels: int, n_mfcc: int = 1) -> list[dict]:
    """A row in ``COLUMNS`` for each column of an array that holds these families in this order.

    Returns
    -------
    ``rise_per_db`` is by how much the column rises when the signal gets 1 dB louder
    """
    rows = []
    for family in families:
        names = feature_names([family], n_mels=n_mels, n_mfcc=n_mfcc)
        rises = level_response(names, n_mels=n_mels)
        rows += [
            {"name": name, "family": family, "rise_per_db": round(float(rise), 6)}
            for name, rise in zip(names, rises, strict=True)
        ]
    return rows
