"""Front-end packages from npm: `python -m tools.assets`."""
