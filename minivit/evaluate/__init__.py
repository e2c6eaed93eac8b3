"""Scores: how well a model tells pictures apart, and how far that number can be trusted.

`classify` measures accuracy, nearest neighbours and a linear probe; `intervals` says what a mean over seeds or a share
of pictures is worth. Their names are all here.
"""

from minivit.evaluate.classify import accuracy, knn, linear_probe
from minivit.evaluate.intervals import Interval, interval, wilson

__all__ = ["Interval", "accuracy", "interval", "knn", "linear_probe", "wilson"]
