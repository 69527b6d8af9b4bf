"""One file a subject; each action is one domain call."""
