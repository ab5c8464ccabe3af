"""WHAT WE TEST: one file a stage, and the order in which they run.

SpecValidate and Reporting are the orchestrator's own (`vetting.orchestrator.judging`, `.reporting`).
"""

from __future__ import annotations

from vetting.domain.states import STAGE_ORDER
from vetting.stages.base import Stage
from vetting.stages.burn import Burn
from vetting.stages.cpu_stress import CpuStress
from vetting.stages.firmware import Firmware
from vetting.stages.gpu import Gpu
from vetting.stages.inventory import InventoryStage
from vetting.stages.network import Network
from vetting.stages.psu import Psu
from vetting.stages.smart import Smart
from vetting.stages.storage import Storage

_ALL: tuple[Stage, ...] = (
    InventoryStage(), Firmware(), Smart(), CpuStress(), Storage(), Network(), Burn(), Gpu(), Psu(),
)  # fmt: skip
STAGES: dict[str, Stage] = {
    stage.name: stage for stage in sorted(_ALL, key=lambda stage: STAGE_ORDER.index(stage.name))
}
"""The agent's stages by name, in order."""
