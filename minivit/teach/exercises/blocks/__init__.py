"""Lesson 4's exercises."""

from minivit.teach.exercises import Exercise

EXERCISES: dict[str, Exercise] = {}
