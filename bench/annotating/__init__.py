"""Parts of `bench/annotation.py`: its database, the server under test, and the annotators."""
