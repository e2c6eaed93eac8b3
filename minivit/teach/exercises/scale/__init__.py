"""Lesson 6's exercises: how far a convolution sees, pictures moved without wrapping, what an accuracy costs."""

from minivit.teach.exercises.scale.field import FIELD
from minivit.teach.exercises.scale.needed import NEEDED
from minivit.teach.exercises.scale.shifted import SHIFTED

EXERCISES = {"field": FIELD, "shifted": SHIFTED, "needed": NEEDED}
