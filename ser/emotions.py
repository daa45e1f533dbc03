"""The six emotions, in the one order that every array, table and model uses."""

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")

# CREMA-D's three-letter codes in file names, and its one-letter codes in the listeners' votes.
EMOTION_OF_CODE = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), EMOTIONS, strict=True))
EMOTION_OF_VOTE = dict(zip("ADFHNS", EMOTIONS, strict=True))
