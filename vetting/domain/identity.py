"""Is the machine that speaks the one on record? Asked at the claim, before anything may be written.

Safety N1: the wrong machine is held, not vetted. What either side does not know is not compared, but something that
hardly ever moves to another machine (SMBIOS UUID, a serial of system or board, a MAC address) must agree.
"""

from __future__ import annotations

from collections.abc import Iterator

from vetting.domain.hostspec import Identity
from vetting.domain.naming import known, mac_of


def identity_conflicts(record: Identity, found: Identity, *, writes: bool = True) -> tuple[str, ...]:
    """Why the machine `found` is not the one of `record`, in words; empty where it is. Each is reason enough to hold.

    `writes`: the run may write to disks. Then every disk serial on record must be there; otherwise one in common is
    enough, and a missing disk is left to SpecValidate, which says more about it.
    """
    rows = [*_texts(record, found), *_macs(record, found), *_disks(record, found, writes=writes)]
    if not rows and not _agrees(record, found):
        text = (
            "nothing that identifies this machine for certain (SMBIOS UUID, system or board serial, MAC address) is "
            "both on record and told by the machine: put its MAC addresses into the host's record and start again"
        )
        rows.append(text)
    return tuple(rows)


def _pairs(record: Identity, found: Identity) -> tuple[tuple[str, str, str], ...]:
    return (
        ("SMBIOS UUID", record.smbios_uuid, found.smbios_uuid),
        ("system serial", record.system_serial, found.system_serial),
        ("board serial", record.board_serial, found.board_serial),
    )


def _macs_of(identity: Identity) -> set[str]:
    return {mac_of(mac) for mac in identity.macs} - {""}


def _serials_of(identity: Identity) -> dict[str, str]:
    """Serials as compared -> as written."""
    return {known(serial): serial for serial in identity.disk_serials if known(serial)}


def _agrees(record: Identity, found: Identity) -> bool:
    texts = any(known(old) and known(old) == known(new) for _, old, new in _pairs(record, found))
    return texts or bool(_macs_of(record) & _macs_of(found))


def _texts(record: Identity, found: Identity) -> Iterator[str]:
    for words, old, new in _pairs(record, found):
        if known(old) and known(new) and known(old) != known(new):
            yield f"the {words} is {new}, on record is {old}"


def _macs(record: Identity, found: Identity) -> Iterator[str]:
    has = _macs_of(found)
    for mac in sorted(_macs_of(record) - has) if has else ():
        yield f"the MAC address {mac} on record is not on this machine"


def _disks(record: Identity, found: Identity, *, writes: bool) -> Iterator[str]:
    wants, has = _serials_of(record), _serials_of(found)
    if not wants or not has or (not writes and wants.keys() & has.keys()):
        return
    for name in sorted(wants.keys() - has.keys()):
        yield (
            f"the disk {wants[name]}, on record and in the host's spec, is not in this machine: put it back, or take it out "
            "of the spec (vetting host edit) if it was exchanged, or start the run non-destructive"
        )
