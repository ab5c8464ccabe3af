"""The controller that a host's record names."""

from __future__ import annotations

from vetting.domain.bmc import Bmc, BmcKind
from vetting.power.controller import Controller


def controller_of(bmc: Bmc, password: str, *, smbios_uuid: str = "") -> Controller:
    """Speaks to nobody yet; `close` it when done. `smbios_uuid`: of the host, as far as known. Raises BadInput."""
    if bmc.kind is BmcKind.IPMI:
        from vetting.power.ipmi import Ipmi

        return Ipmi(bmc, password)
    from vetting.power.redfish import Redfish

    return Redfish(bmc, password, smbios_uuid=smbios_uuid)
