"""Lesson 2's exercises: sines and cosines of a place, a table carried to another grid, a turn of pairs by angles."""

from minivit.teach.exercises.positions.resample import RESAMPLE
from minivit.teach.exercises.positions.rotate import ROTATE
from minivit.teach.exercises.positions.sincos import SINCOS

EXERCISES = {"sincos": SINCOS, "resample": RESAMPLE, "rotate": ROTATE}
