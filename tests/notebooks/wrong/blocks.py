"""Wrong answers to lesson 4's exercises."""

WRONG = {}
