"""What is laid over the live image for a guest: the script that puts a fault in before the agent starts, and a root shell on the
second serial line. Everything else is the image as hosts get it.

The kernel unpacks it behind the image's own initrd; QEMU brings both into memory, which takes the place of firmware and network.
(Sharing the image's files by 9p was measured beside this: the guest's systemd and Python read so many small files that it took half
as long again from power-on to the agent's first word.)
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.lab.overlay import HOME, Overlay

UNITS = "etc/systemd/system"
STATUS = "/run/campaign.status"
LINE = "/dev/ttyS1"
FAULT_UNIT = f"""[Unit]
Description=Puts the fault of this guest in
After=network-online.target vetting-modules.service
Before=vetting-agent.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/{HOME}/fault
SuccessExitStatus=0-255
[Install]
WantedBy=multi-user.target
"""
HAND_UNIT = f"""[Unit]
Description=Does what the campaign types
[Service]
ExecStart=/{HOME}/hand
Restart=always
OOMScoreAdjust=-950
StandardInput=null
[Install]
WantedBy=multi-user.target
"""
# One line asks (a mark and a script), one line answers (the mark, the status, what was said); both in base64.
HAND = f"""#!/bin/bash
exec 3<>{LINE}
stty raw -echo <&3
while read -r mark script <&3; do
    said=$(base64 -d <<<"$script" | bash -eu -o pipefail 2>&1 3>&-)
    status=$?
    printf '%s %s %s\\n' "$mark" "$status" "$(base64 -w0 <<<"$said")" >&3
done
"""


def laid_over(*, boot: str = "", modules: tuple[str, ...] = (), files: Mapping[str, str] | None = None) -> bytes:
    """A cpio archive for behind the image's initrd."""
    over = Overlay()
    over.file(f"{HOME}/hand", HAND, mode=0o755)
    _unit(over, "campaign-hand.service", HAND_UNIT)
    if boot or modules:
        over.file(f"{HOME}/script", "\n".join((*(f"modprobe {name}" for name in modules), boot, "")))
        steps = f"bash -eu -o pipefail /{HOME}/script >{STATUS}.said 2>&1\necho $? >{STATUS}"
        over.file(f"{HOME}/fault", f"#!/bin/bash\n{steps}\n", mode=0o755)
        _unit(over, "campaign-fault.service", FAULT_UNIT)
    for path, content in (files or {}).items():
        over.file(path.lstrip("/"), content, mode=0o755 if content.startswith("#!") else 0o644)
    return over.archive()


def _unit(over: Overlay, name: str, text: str) -> None:
    over.file(f"{UNITS}/{name}", text)
    over.link(f"{UNITS}/multi-user.target.wants/{name}", f"/{UNITS}/{name}")


def initrd(image: Path, over: bytes, target: Path) -> None:
    """Both behind each other, as the kernel takes them."""
    shutil.copyfile(image / "initrd.img", target)
    with target.open("ab") as file:
        file.write(over)
