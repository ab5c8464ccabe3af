"""What stands for a state or a verdict: a sign, a word and a tone, never the tone alone."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.states import BEFORE_CLAIM, RunState


@dataclass(frozen=True, slots=True)
class Shown:
    sign: str
    word: str
    tone: str  # good | bad | warn | note | calm


NONE = Shown("○", "Never vetted", "calm")
STATES = {
    "": NONE,
    RunState.QUEUED: Shown("…", "Queued", "note"),
    RunState.WAITING_REBOOT: Shown("↻", "Waiting for the reboot", "note"),
    RunState.WAITING_WOL: Shown("↻", "Waiting for the host to wake", "note"),
    RunState.WAITING_POWER: Shown("↻", "Waiting for power", "note"),
    RunState.BOOTING: Shown("↑", "Booting", "note"),
    RunState.COMPLETED: Shown("✓", "Completed", "good"),
    RunState.FAILED: Shown("✗", "Failed", "bad"),
    RunState.FAILED_HOLDING: Shown("‖", "Held", "bad"),
    RunState.CANCELLED: Shown("◼", "Cancelled", "warn"),
    RunState.RELEASED: Shown("⏏", "Released", "warn"),
}
VERDICTS = {
    "pass": Shown("✓", "Pass", "good"),
    "fail": Shown("✗", "Fail", "bad"),
    "error": Shown("!", "Error", "bad"),
    "skip": Shown("–", "Skipped", "warn"),
    "cancelled": Shown("◼", "Cancelled", "warn"),
    "interrupted": Shown("↯", "Interrupted", "warn"),
    "vetted": Shown("✓", "Vetted", "good"),
    "passed, not vetted": Shown("◐", "Passed, not vetted", "warn"),
    "failed": Shown("✗", "Failed", "bad"),
    "incomplete": Shown("…", "Not finished", "note"),
    "lost": Shown("✗", "Lost", "bad"),
    "running": Shown("▶", "Running", "note"),
    "missing": Shown("○", "Not tested", "warn"),
    "": NONE,
}
assert all(RunState(state) for state in STATES if state) and BEFORE_CLAIM


def of_state(state: str) -> Shown:
    """A stage's state is a run that works: its name is the word."""
    return STATES.get(state) or Shown("▶", str(state), "note")


def of_verdict(verdict: str) -> Shown:
    """A stage's verdict or a run's; a word that we do not know is shown as it is, and is nothing good."""
    return VERDICTS.get(str(verdict).lower()) or Shown("?", str(verdict), "warn")
