"""CREMA-D's six emotions: what is told apart unless ``corpus.labels`` says otherwise.

A corpus's own emotions are ``ser.params.Corpus.emotions``, a bundle's are in the bundle; their order is that of the
alphabet, and every array, table and model of theirs uses it.
"""

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")

NEUTRAL = "neutral"  # the ordinary voice

# CREMA-D's three-letter codes in file names, and its one-letter codes in the listeners' votes.
EMOTION_OF_CODE = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), EMOTIONS, strict=True))
EMOTION_OF_VOTE = dict(zip("ADFHNS", EMOTIONS, strict=True))
