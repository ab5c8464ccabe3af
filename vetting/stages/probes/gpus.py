"""Which GPUs this host has: from the PCI bus, which needs no driver, and from nvidia-smi, which names them.

The graphics of a BMC or a hypervisor draw a console and compute nothing; those of a processor are no card that anybody can
seat badly. Neither counts as a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vetting.domain.inventory import FoundGpu
from vetting.parsers import lspci, nvidia_smi
from vetting.parsers.lspci import PciDevice
from vetting.parsers.nvidia_smi import NvidiaSmi
from vetting.stages.base import Deps
from vetting.stages.probes.asking import Unread, ask

LSPCI = ("lspci", "-Dvmmnnk")
NVIDIA_SMI = ("nvidia-smi", "-q", "-x")
NVIDIA_SMI_LIMIT_S = 120.0  # eight GPUs without the persistence daemon take half a minute to wake
PCI_DEVICES = "/sys/bus/pci/devices/*"

# PCI Code and ID Assignment: VGA, 3D and other display controllers, processing accelerators.
GPU_CLASSES = frozenset({"0300", "0302", "0380", "1200"})
NVIDIA, AMD, INTEL = "10de", "1002", "8086"
# ASPEED, Matrox, SiS/XGI, Silicon Motion, Cirrus; Bochs, Red Hat QXL and virtio, VMware, Hyper-V, VirtualBox.
CONSOLE_VENDORS = frozenset({"1a03", "102b", "18ca", "126f", "1013", "1234", "1b36", "1af4", "15ad", "1414", "80ee"})
CONSOLE_DEVICES = frozenset({(AMD, "515e"), (AMD, "4752")})  # ES1000 and Rage XL on boards of the 2000s


# Graphics inside AMD's processors, which stand behind a bridge of their own and not on bus 0 (pci.ids, vendor 1002): Raven
# Ridge and Picasso, Renoir, Lucienne, Cezanne, Barcelo, Van Gogh, Rembrandt, Raphael, Mendocino, Phoenix, Hawk Point, Granite
# Ridge, Strix, Strix Halo, Krackan.
AMD_INSIDE = frozenset(
    {
        "15dd", "15d8", "1636", "164c", "1638", "15e7", "163f", "1681", "164e", "1506", "15bf", "15c8", "1900", "1901", "13c0",
        "150e", "1586", "1114",
    }
)  # fmt: skip


async def pci_devices(deps: Deps) -> tuple[PciDevice, ...]:
    """What stands on the PCI bus; nothing on a machine without one.

    Raises ToolMissing, and Unread also where lspci leaves out what the kernel shows: a GPU could hide in the gap.
    """
    known = {path.rpartition("/")[2].lower() for path in deps.glob(PCI_DEVICES)}
    if not known:
        return ()
    listed = await ask(deps, LSPCI, lspci.parse)
    if hidden := known - {device.slot for device in listed}:
        raise Unread(f"lspci leaves out {len(hidden)} devices that the kernel shows, among them {min(hidden)}")
    return listed


def gpus_among(devices: Sequence[PciDevice]) -> list[PciDevice]:
    return [each for each in devices if _is_gpu(each)]


def _is_gpu(device: PciDevice) -> bool:
    vendor = device.vendor_code or ""
    if device.kind_code not in GPU_CLASSES or vendor in CONSOLE_VENDORS:
        return False
    if (vendor, device.device_code) in CONSOLE_DEVICES or (vendor == AMD and device.device_code in AMD_INSIDE):
        return False
    return not (vendor == INTEL and re.search(r"\b00:[0-9a-f]{2}\.[0-7]$", device.slot))  # part of the processor


async def ask_nvidia(deps: Deps, keep: str = "") -> NvidiaSmi:
    """Raises ToolMissing, and Unread also where the driver talks to no GPU."""
    return await ask(deps, NVIDIA_SMI, nvidia_smi.parse, limit_s=NVIDIA_SMI_LIMIT_S, keep=keep)


def same_slot(bus: str, slot: str) -> bool:
    """nvidia-smi writes eight digits of PCI domain, lspci four."""
    return _bare(bus) == _bare(slot)


def _bare(slot: str) -> str:
    domain, _, rest = slot.lower().partition(":")
    return f"{domain.lstrip('0') or '0'}:{rest}"


def found(device: PciDevice, told: NvidiaSmi | None) -> FoundGpu:
    """One GPU of the inventory; without nvidia-smi its place on the bus is all that tells it from its twins."""
    known = next((gpu for gpu in (told.gpus if told else ()) if same_slot(gpu.bus, device.slot)), None)
    return FoundGpu(
        name=(known.name if known else "") or f"{device.vendor} {device.device}".strip(),
        uuid=(known.uuid if known else None) or "",
        pci=device.slot,
        serial=(known.serial if known else None) or "",
    )


def component(gpu: FoundGpu) -> str:
    return f"gpu:{gpu.uuid or gpu.pci}"
