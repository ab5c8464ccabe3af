"""Serials, WWNs and MAC addresses as they are compared: makers, drivers and people spell the same name differently."""

from __future__ import annotations

import re
from collections.abc import Container

# What firmware writes where nobody filled a field in (seen in dmidecode and in udev of many makers), and
# two SMBIOS UUIDs that board makers left the same on every board.
PLACEHOLDERS = frozenset(
    {
        "tobefilledbyo.e.m",
        "tobefilledbyoem",
        "notspecified",
        "notavailable",
        "notapplicable",
        "notprovided",
        "notpresent",
        "defaultstring",
        "systemserialnumber",
        "systemproductname",
        "systemmanufacturer",
        "chassisserialnumber",
        "baseboardserialnumber",
        "serialnumber",
        "unknown",
        "unspecified",
        "none",
        "null",
        "n/a",
        "na",
        "empty",
        "nodimm",
        "nodimminstalled",
        "undefined",
        "invalid",
        "o.e.m",
        "oem",
        "0123456789",
        "1234567890",
        "123456789",
        "03000200-0400-0500-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
    }
)


# Drivers of the network link that a BMC shows over USB (Redfish host interface of HPE, Lenovo, Supermicro, Dell): no card of
# the host, often with another MAC address at each boot, and no way to anywhere but the BMC.
BMC_LINK_DRIVERS = frozenset({"cdc_ether", "cdc_eem", "cdc_ncm", "rndis_host"})


def is_bmc_link(uevent: str) -> bool:
    """By the `uevent` file of an interface's device."""
    return any(line.removeprefix("DRIVER=") in BMC_LINK_DRIVERS for line in uevent.splitlines())


def plain(text: str) -> str:
    """The text in one case, without white space and the underscores that udev writes for it."""
    return re.sub(r"[\s_]+", "", text).casefold()


def known(text: str) -> str:
    """The text as compared; empty where it is a placeholder and thus says nothing."""
    bare = plain(text)
    if bare.rstrip(".") in PLACEHOLDERS or not bare.strip("0-:.x") or not bare.strip("f-:."):
        return ""
    return bare


def same_wwn(one: str, other: str) -> bool:
    """Whether two spellings of a WWN (0x…, naa.…, eui.…, nvme-…) name the same device; unknown ones never do."""
    bare = [re.sub(r"^(0x|naa\.|eui\.|nvme\.|uuid\.)", "", known(text)) for text in (one, other)]
    return bool(bare[0]) and bare[0] == bare[1]


def mac_of(text: str) -> str:
    """A MAC address in lower case with colons; empty where it is none or all zero or broadcast."""
    digits = re.sub(r"[^0-9a-f]", "", text.casefold())
    if len(digits) not in (12, 40) or not digits.strip("0") or not digits.strip("f"):
        return ""
    return ":".join(digits[n : n + 2] for n in range(0, len(digits), 2))


def is_one_of(host: str, allowed: Container[str]) -> bool:
    """Whether a Host header (`name`, `name:port`, `[address]:port`) names one of `allowed`, which are in lower case."""
    host = host.lower()
    bare = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    return host in allowed or bare in allowed
