"""WHAT WE ASK: questions to the host that more than one stage puts, answered in domain values."""
