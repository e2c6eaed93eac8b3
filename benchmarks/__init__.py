"""Speed, judged here and never in a test: each section is a module whose `main()` prints its table."""
