"""What the lessons use besides the library: exercises that answer, quizzes, figures, explorers, recorded runs."""

from minivit.teach.check import check
from minivit.teach.quizzes import quiz

__all__ = ["check", "quiz"]
