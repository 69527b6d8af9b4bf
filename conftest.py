"""Where pytest starts: outside services are found once, for every test (see tests/services.py)."""

pytest_plugins = ["tests.services"]
