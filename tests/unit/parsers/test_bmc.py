"""ipmitool: recorded where there is no BMC and with a simulated one; the rest are constructed samples in its own columns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vetting.parsers import ParseError, ipmitool

Recorded = Callable[[str], str]
PARSERS: dict[str, Callable[[str], object]] = {
    "mc-info": ipmitool.parse_mc_info,
    "sdr": ipmitool.parse_sdr,
    "sel": ipmitool.parse_sel,
    "power": ipmitool.parse_power,
}


@pytest.mark.parametrize("what", PARSERS)
def test_a_host_without_a_bmc_is_an_error(joined: Callable[[str], str], what: str) -> None:
    with pytest.raises(ParseError, match="Could not open device"):
        PARSERS[what](joined(f"ipmitool/no-bmc-{what}"))


def test_a_simulated_bmc_tells_who_it_is(joined: Recorded) -> None:
    bmc = ipmitool.parse_mc_info(joined("ipmitool/sim-mc-info"))
    assert (bmc.firmware, bmc.ipmi, bmc.manufacturer) == ("9.08", "2.0", "MontaVista Software, Inc.")
    assert bmc.aux_firmware == ("0x00",) * 4


def test_its_sensors_without_a_reading_are_named_and_not_bad(joined: Recorded) -> None:
    sensors = ipmitool.parse_sdr(joined("ipmitool/sim-sdr"))
    assert [(each.name, each.number, each.status, each.entity, each.value) for each in sensors] == [
        ("Inlet Temp", "01h", "ns", "7.1", None),
        ("Fan1", "02h", "ns", "29.1", None),
        ("P1 DIMMA1 Temp", "03h", "ns", "32.1", None),
    ]
    assert not any(each.bad for each in sensors)


def test_its_events_before_and_after_its_clock_was_set(joined: Recorded) -> None:
    records = ipmitool.parse_sel(joined("ipmitool/sim-sel"))
    assert [record.record_id for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[0].when.startswith("Pre-Init") and records[3].when.endswith("UTC")
    for record in (records[0], records[3]):
        assert (record.sensor, record.event, record.asserted) == ("Memory #0x53", "Correctable ECC", True)


def test_its_empty_log_is_told_on_stderr(joined: Recorded, recorded: Recorded) -> None:
    assert ipmitool.parse_sel(joined("ipmitool/sim-sel-empty")) == ()
    with pytest.raises(ParseError):
        ipmitool.parse_sel(recorded("ipmitool/sim-sel-empty"))


def test_a_bmc_without_dcmi_is_an_error(joined: Recorded) -> None:
    with pytest.raises(ParseError, match="Invalid command"):
        ipmitool.parse_power(joined("ipmitool/sim-power"))


MC = """Device ID                 : 32
Device Revision           : 1
Firmware Revision         : 5.10
IPMI Version              : 2.0
Manufacturer ID           : 674
Manufacturer Name         : DELL Inc
Product ID                : 256 (0x0100)
Product Name              : Unknown (0x100)
Device Available          : yes
Provides Device SDRs      : yes
Additional Device Support :
    Sensor Device
    SEL Device
Aux Firmware Rev Info     :
    0x00
    0x0a
    0x30
    0x32
"""


def test_the_bmc_tells_its_firmware() -> None:
    bmc = ipmitool.parse_mc_info(MC)
    assert (bmc.firmware, bmc.ipmi, bmc.manufacturer) == ("5.10", "2.0", "DELL Inc")
    assert bmc.aux_firmware == ("0x00", "0x0a", "0x30", "0x32")


SDR = """Fan1             | 30h | ok  |  7.1 | 4920 RPM
Inlet Temp       | 04h | ok  |  7.1 | 22 degrees C
Temp             | 0Eh | ns  |  3.1 | Disabled
P1-DIMMA1 TEMP   | 92h | nc  | 32.64 | 86 degrees C
12V              | 31h | ok  |  7.17 | 12.130 Volts
VBAT             | 33h | cr  |  7.18 | 2.1 Volts
PS1 Status       | C8h | ok  | 10.1 | Presence detected
PS Redundancy    | 77h | ok  |  7.1 | Fully Redundant
Below Zero       | 05h | ok  |  7.1 | -4 degrees C
"""


def test_sensors_with_and_without_a_reading() -> None:
    sensors = {sensor.name: sensor for sensor in ipmitool.parse_sdr(SDR)}
    assert (sensors["Fan1"].value, sensors["Fan1"].unit, sensors["Fan1"].entity) == (4920, "RPM", "7.1")
    assert (sensors["12V"].value, sensors["12V"].unit) == (12.13, "Volts")
    assert (sensors["Temp"].value, sensors["Temp"].status, sensors["Temp"].bad) == (None, "ns", False)
    assert (sensors["PS1 Status"].value, sensors["PS1 Status"].text) == (None, "Presence detected")
    assert sensors["Below Zero"].value == -4
    assert {name for name, sensor in sensors.items() if sensor.bad} == {"P1-DIMMA1 TEMP", "VBAT"}


SEL = """   1 | 11/19/2026 | 10:00:00 | Event Logging Disabled SEL | Log area reset/cleared | Asserted
   a | 11/20/2026 | 07:31:44 | Memory ECC | Correctable ECC (@DIMM A1) | Asserted
   b |  Pre-Init  |0000000012| Power Supply PS2 Status | Power Supply AC lost | Asserted
  1c | 11/20/2026 | 07:32:00 | Power Supply PS2 Status | Power Supply AC lost | Deasserted
 fff | OEM record df | 000137 | 1a0000010000
"""


def test_records_go_by_their_hexadecimal_id() -> None:
    records = ipmitool.parse_sel(SEL)
    assert [record.record_id for record in records] == [1, 10, 11, 28, 4095]
    ecc, early, gone, oem = records[1:]
    assert (ecc.when, ecc.sensor, ecc.event, ecc.asserted) == (
        "11/20/2026 07:31:44", "Memory ECC", "Correctable ECC (@DIMM A1)", True
    )  # fmt: skip
    assert early.sensor == "Power Supply PS2 Status" and early.asserted is True
    assert gone.asserted is False
    assert oem.asserted is None and "OEM record df" in oem.text


def test_an_empty_log_is_no_record() -> None:
    assert ipmitool.parse_sel("SEL has no entries\n") == ()


POWER = """
    Instantaneous power reading:                   214 Watts
    Minimum during sampling period:                  3 Watts
    Maximum during sampling period:                481 Watts
    Average power reading over sample period:      210 Watts
    IPMI timestamp:                           Fri Nov 20 07:31:44 2026
    Sampling period:                          00000001 Seconds.
    Power reading state is:                   activated
"""


def test_power_now_in_watts() -> None:
    assert ipmitool.parse_power(POWER) == 214
    assert ipmitool.parse_power(POWER.replace(" activated", " deactivated")) is None


FRU = """FRU Device Description : Builtin FRU Device (ID 0)
 Board Mfg             : DELL
 Board Serial          : CN123
 Product Serial        : ABC1234

FRU Device Description : PS1 (ID 1)
 Board Serial          : PS123
 Unknown FRU header version 0x00
"""


def test_the_first_inventory_wins() -> None:
    fru = ipmitool.parse_fru(FRU)
    assert (fru["Board Serial"], fru["Product Serial"]) == ("CN123", "ABC1234")


@pytest.mark.parametrize("parse", [*PARSERS.values(), ipmitool.parse_fru])
@pytest.mark.parametrize("text", ["", "Get Device ID command failed: Unspecified error\n", "a | b | c\n"])
def test_a_sentence_of_ipmitool_is_an_error(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_versions_are_read() -> None:
    assert ipmitool.parse_version("ipmitool version 1.8.19\n") == "1.8.19"


BOOT = """Boot parameter version: 1
Boot parameter 5 is valid/unlocked
Boot parameter data: {data}
 Boot Flags :
   - Boot Flag {valid}
   - Options apply to {reach}
   - {mode} boot
   - Boot Device Selector : {device}
   - BIOS verbosity : System Default
"""


def test_whether_a_host_is_on_is_told_or_an_error() -> None:
    assert ipmitool.parse_chassis_power("Chassis Power is on\n")
    assert not ipmitool.parse_chassis_power("Chassis Power is off\n")
    for text in ("", "Chassis Power is unknown\n", "Chassis Power Control: Up/On\n"):
        with pytest.raises(ParseError):
            ipmitool.parse_chassis_power(text)


def test_boot_flags_are_read_as_the_controller_keeps_them() -> None:
    kept = BOOT.format(data="0004000000", valid="Invalid", reach="only next boot", mode="BIOS PC Compatible (legacy)",
                       device="Force PXE")  # fmt: skip
    assert ipmitool.parse_boot_flags(kept) == ipmitool.BootFlags(device="Force PXE", valid=False, once=True, efi=False)
    set_for_ever = BOOT.format(
        data="e004000000", valid="Valid", reach="all future boots", mode="BIOS EFI", device="Force PXE"
    )
    assert ipmitool.parse_boot_flags(set_for_ever) == ipmitool.BootFlags(
        device="Force PXE", valid=True, once=False, efi=True
    )
    with pytest.raises(ParseError, match="boot device selector"):
        ipmitool.parse_boot_flags("Boot parameter version: 1\n")
