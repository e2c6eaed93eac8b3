"""Lesson 8's exercises: the sigmoid loss, what it costs before training, and a piece of its table."""

from minivit.teach.exercises.siglip.loss import LOSS
from minivit.teach.exercises.siglip.piece import PIECE
from minivit.teach.exercises.siglip.start import START

EXERCISES = {"loss": LOSS, "start": START, "piece": PIECE}
