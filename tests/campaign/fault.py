"""What a fault is: how it gets into a host, and what must be said about it by whom. A recipe is one of these values, and nothing else.

    FAULTS = (
        Fault(
            name="medium-error-sata", row="medium-errors", title="A SATA disk that cannot read one sector",
            hardware=Hardware(name="medium-error-sata", disks=(Disk(serial="BAD-1", bad_sectors=(20480,)),)),
            expect=Caught(stage="Storage", component="BAD-1", words="not readable"),
        ),
    )

Each file in `faults/` has such a tuple FAULTS; the runner collects them. Names are unique in all files and are the hosts' names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.lab.hardware import Hardware
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.outcome import Verdict

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

BOOT = "boot"
Deed = Callable[["Bench"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What must be said. One piece of evidence of the stage's attempt has to match both expressions (`re.search`, ignoring case):
    its reason, a cell, a finding, an objection, a difference, a breach or a counter, read as "component: text"."""

    stage: str
    component: str  # names the part as a person would order it: serial, slot, BDF, core, DIMM
    words: str
    verdicts: tuple[Verdict, ...] = (Verdict.FAIL,)  # of the attempt; PASS where a warning is what should be said
    within_s: float = 240.0  # from the injection; for what is there since power-on, from the start of the stage
    or_stages: tuple[str, ...] = ()  # others that may as well be the first to see it


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    name: str
    row: str  # key of tests.campaign.listed.LISTED: what this proves
    title: str  # one line for people
    hardware: Hardware
    expect: Caught
    spec: ExpectedSpec | None = None  # what the record expects; None: what the hardware consists of

    # How it gets in; any of the three, in this order.
    prepare: Deed | None = None  # outside, before power-on: contents of disks, files
    boot: str = ""  # a script for bash -eu, as root in the guest before the agent starts; a status but 0 spoils the row
    inject: Deed | None = (
        None  # at the start of the stage `at`, or as soon as the agent has claimed where `at` is empty
    )
    at: str = ""
    delay_s: float = 0.0  # after the start of the stage

    knobs: dict[str, Any] = field(default_factory=dict)  # laid over the campaign's profile, for this run alone
    files: dict[str, str] = field(
        default_factory=dict
    )  # laid into the guest's root, by path; scripts ("#!") are executable
    modules: tuple[str, ...] = ()  # loaded before the script runs
    kernel_words: str = ""  # more words for the kernel's command line
    start: dict[str, Any] = field(default_factory=dict)  # more of wire.StartRun, such as non_destructive
    stages: tuple[
        str, ...
    ] = ()  # that run too; without it only what leads to `at` and `expect.stage` runs, to save time
    profiles: tuple[str, ...] = ("campaign",)  # keys of tests.campaign.settings.PROFILES
    alone: bool = False  # disturbs the orchestrator or the machine: nothing else runs meanwhile
    fast: bool = False  # one of the few that CI runs each time
    not_tried: str = ""  # why it cannot be injected here; then nothing is started, and the row says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A row that needs no whole host: tests of other layers inject it and hold what is said. The campaign runs them."""

    name: str
    row: str
    title: str
    nodes: tuple[str, ...]  # pytest node ids; a file or a class stands for all in it
    says: str  # what these tests hold, in a person's words
    stage: str = ""  # that catches it, or who


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A healthy host. It must complete with nothing but PASS and SKIP, and with no warning but those that are true of it."""

    name: str
    title: str
    hardware: Hardware
    spec: ExpectedSpec | None = None
    knobs: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    over_network: bool = False  # by firmware and iPXE, where the others get kernel and initrd from QEMU
    true_warnings: tuple[str, ...] = ()  # expressions: what may be said, for it is so
    fast: bool = False
