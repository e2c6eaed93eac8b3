"""Lesson 3's exercises: attention itself, a token split into heads and merged again, and a mask."""

from minivit.teach.exercises.attention.heads import MERGE, SPLIT
from minivit.teach.exercises.attention.mask import MASK
from minivit.teach.exercises.attention.read import READ

EXERCISES = {"read": READ, "split": SPLIT, "merge": MERGE, "mask": MASK}
