"""The exercises, one file a lesson: each names its true function, the cases it is tried on, and the mistakes it knows."""
