"""What those who answer machines and people work with: one object for each thing that can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.orchestrator.accounts import Accounts
from vetting.orchestrator.carrying import Carrying
from vetting.orchestrator.files import Files
from vetting.orchestrator.holding import Doors
from vetting.orchestrator.intake import Intake
from vetting.orchestrator.outlets import Outlets
from vetting.orchestrator.people import People
from vetting.orchestrator.pinning import Pinning
from vetting.orchestrator.progress import Progress
from vetting.orchestrator.registering import Registering
from vetting.orchestrator.restoring import Restoring
from vetting.orchestrator.telling import Telling
from vetting.orchestrator.views import Views


@dataclass(frozen=True, slots=True)
class Desk:
    progress: Progress  # changes runs
    intake: Intake  # takes in samples, log lines and artifacts
    carrying: Carrying  # keeps where long work stands, for the boot after a power cut
    people: People  # hosts, tokens, audit
    pinning: Pinning  # makes floors and ceilings of what was measured
    accounts: Accounts  # who signs in, with a browser
    views: Views  # reads
    files: Files  # gives artifacts out again
    registering: Registering  # gives installed hosts their reporter
    restoring: Restoring  # permits to put saved ends of disks back
    doors: Doors  # ways into held hosts
    outlets: Outlets  # asks management controllers
    telling: Telling  # tries the channels that people are told by
