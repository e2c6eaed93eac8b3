"""Scores: how well a model tells pictures apart, and how far that number can be trusted.

`classify` measures accuracy, nearest neighbours and a linear probe; `intervals` says what a mean over seeds or a share
of pictures is worth; `calibration` counts a classifier's answers and asks whether it knows how sure to be. For models
of pictures and words, `zeroshot` makes classes out of prompts; `retrieve` finds texts for pictures and pictures for
texts, tells a right caption from a wrong one and known pictures from foreign ones. Their names are all here.
"""

from minivit.evaluate.calibration import Calibration, Judged, calibration, confusion, judge
from minivit.evaluate.classify import accuracy, knn, linear_probe
from minivit.evaluate.intervals import Interval, Score, interval, wilson
from minivit.evaluate.retrieve import Recall, auroc, preference, recall
from minivit.evaluate.zeroshot import class_vectors, embed_images, embed_texts, zero_shot

__all__ = [
    "Calibration",
    "Interval",
    "Judged",
    "Recall",
    "Score",
    "accuracy",
    "auroc",
    "calibration",
    "class_vectors",
    "confusion",
    "embed_images",
    "embed_texts",
    "interval",
    "judge",
    "knn",
    "linear_probe",
    "preference",
    "recall",
    "wilson",
    "zero_shot",
]
