"""The trainer. Knows no Django, no Celery, no settings: `python -m training.engine train RUN_DIR`."""
