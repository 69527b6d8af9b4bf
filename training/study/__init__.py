"""The study: do preference-over-preference labels help, in a world whose truth is known? Run by anyone.

    python -m training.study tables

docs/study.md has what it found and says how to read it.
"""
