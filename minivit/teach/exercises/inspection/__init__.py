"""Lesson 13's exercises: how far a code was misread, which call may run, and from which confidence on to answer."""

from minivit.teach.exercises.inspection.call import CALL
from minivit.teach.exercises.inspection.edits import EDITS
from minivit.teach.exercises.inspection.threshold import THRESHOLD

EXERCISES = {"edits": EDITS, "call": CALL, "threshold": THRESHOLD}
