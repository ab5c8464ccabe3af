"""What a run will do, before it does it: its job, the planned time and deadline of each stage, what a pass must show."""

from __future__ import annotations

from collections.abc import Mapping

from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.inventory import Inventory
from vetting.domain.profiles import Profile
from vetting.domain.states import ORCHESTRATOR_STAGES, STAGE_ORDER
from vetting.stages.base import Job, Stage
from vetting.wire import StagePlan

ORCHESTRATOR_LIMIT_S = 300.0  # SpecValidate and Reporting: seconds of work at most


def job(
    *,
    run_id: int,
    profile: Profile,
    expected: ExpectedSpec,
    non_destructive: bool,
    inventory: Inventory | None,
    live_image: bool = False,
) -> Job:
    """The job as the stages' planned times depend on it; addresses and permits are added where they are known."""
    return Job(
        run_id=run_id,
        profile=profile,
        expected=expected,
        expected_disks=expected.disks,
        non_destructive=non_destructive,
        live_image=live_image,
        inventory=inventory,
    )


def stage_names(profile: Profile) -> tuple[str, ...]:
    """The stages that this profile runs, in order."""
    return tuple(name for name in STAGE_ORDER if name not in profile.drop)


def plan(job: Job, stages: Mapping[str, Stage]) -> tuple[StagePlan, ...]:
    """Planned seconds and deadline of every stage of the run's profile."""
    return tuple(plan_of(name, job, stages) for name in stage_names(job.profile))


def plan_of(name: str, job: Job, stages: Mapping[str, Stage]) -> StagePlan:
    if name in ORCHESTRATOR_STAGES:
        return StagePlan(name=name, owner="orchestrator", planned_s=0.0, deadline_s=ORCHESTRATOR_LIMIT_S)
    stage = stages[name]
    deadline_s = max(stage.limit_s(job), stage.planned_s(job)) + job.profile.grace_s
    return StagePlan(name=name, owner="agent", planned_s=stage.planned_s(job), deadline_s=deadline_s)


def disks_to_be_written(expected: ExpectedSpec, *, non_destructive: bool) -> tuple[ExpectedDisk, ...]:
    """The disks whose content a run destroys: what a person has to see and confirm."""
    return () if non_destructive else tuple(disk for disk in expected.disks if disk.write)
