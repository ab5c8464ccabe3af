"""Writes the generated parts of README.md and docs/ from the code: `python -m tools.docs`; with --check it only looks."""
