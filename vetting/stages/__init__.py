"""WHAT WE TEST: one file a stage, and the order in which they run."""
