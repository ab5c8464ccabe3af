"""WHAT HAPPENS: knows the store, not HTTP. `progress` is the only writer of run state."""
