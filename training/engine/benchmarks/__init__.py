"""Published benchmarks of a finished model: their data, the scores they need, and the files they take."""
