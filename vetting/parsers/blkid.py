"""What `blkid -p -o export DEVICE` found by looking at the device itself.

Its silence proves nothing. It says nothing and exits 2 for a device without any signature, for one that it could not open, and
since util-linux 2.41 also for one with several file systems at once (2.38 calls that ambivalent and exits 8). Whether a device
is empty is for wipefs to say, which tells all of these apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vetting.parsers.errors import ParseError

TOOL = "blkid"
PAIR = re.compile(r"([A-Z][A-Z0-9_]{0,60})=(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What stands on one device. Nothing at all leaves everything None."""

    device: str | None = None
    kind: str | None = (
        None  # TYPE: ext4, LVM2_member, linux_raid_member, crypto_LUKS, zfs_member, ceph_bluestore, VMFS …
    )
    usage: str | None = None  # filesystem, raid, crypto, other
    label: str | None = None
    uuid: str | None = None
    partition_table: str | None = None  # PTTYPE: gpt, dos, PMBR
    partition_type: str | None = None  # PART_ENTRY_TYPE, in lower case
    ambivalent: bool = False  # several signatures at once: certainly not empty
    tags: dict[str, str] = field(default_factory=dict)  # everything it said

    @property
    def anything(self) -> bool:
        return self.ambivalent or bool(self.tags.keys() - {"DEVNAME", "PART_ENTRY_NUMBER"})


def parse(text: str) -> tuple[Probe, ...]:
    """One Probe a device, from stdout and stderr joined; none where it said nothing. Raises ParseError."""
    probes: list[Probe] = []
    tags: dict[str, str] = {}
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        if "ambivalent result" in stripped:
            device = re.match(r"(?:blkid: )?(.+?): ambivalent result", stripped)
            probes.append(Probe(device=device[1] if device else None, ambivalent=True))
        elif match := PAIR.match(stripped):
            if match[1] == "DEVNAME" and tags:
                probes.append(_probe(tags))
                tags = {}
            tags[match[1]] = unescaped(match[2])
        elif stripped:
            raise ParseError(TOOL, "a line of it is not KEY=value", stripped)
        elif tags:
            probes.append(_probe(tags))
            tags = {}
    return tuple(probes)


def _probe(tags: dict[str, str]) -> Probe:
    parttype = tags.get("PART_ENTRY_TYPE")
    return Probe(
        device=tags.get("DEVNAME"),
        kind=tags.get("TYPE"),
        usage=tags.get("USAGE"),
        label=tags.get("LABEL"),
        uuid=tags.get("UUID"),
        partition_table=tags.get("PTTYPE"),
        partition_type=parttype.lower() if parttype else None,
        tags=dict(tags),
    )


def unescaped(value: str) -> str:
    """Undoes the backslashes that -o export puts before what a shell would mind."""
    return re.sub(r"\\(.)", r"\1", value)
