"""Lesson 12's exercises: slots among words, neighbours in one slot, and the loss of the answers alone."""

from minivit.teach.exercises.bridge.answers import ANSWERS
from minivit.teach.exercises.bridge.shuffle import SHUFFLE
from minivit.teach.exercises.bridge.splice import SPLICE

EXERCISES = {"splice": SPLICE, "shuffle": SHUFFLE, "answers": ANSWERS}
