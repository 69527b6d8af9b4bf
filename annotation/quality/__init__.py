"""How good the labels are. Pure: answers in, figures out."""
