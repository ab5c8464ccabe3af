"""Every recorded drive, with the verdict that a person who knows drives would give it and the words that say why.

PASS: put it back. WARN: put it back, and know this about it. FAIL: take it out. ERROR: the recording lacks what a verdict
needs; nobody may call the drive healthy, and nobody may accuse it. Lifetime counts and old logs condemn nobody: the deltas
of our own tests do.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vetting.domain.drivehealth import DriveVerdict, judge
from vetting.parsers import smartctl

PASS, WARN, FAIL, ERROR = "PASS", "WARN", "FAIL", "ERROR"

# fmt: off
TABLE = {
    "HITACHI_H109060SESUN600G_10.json": (PASS, ""),
    "HITACHI_H109060SESUN600G_9.json": (PASS, ""),
    "Hitachi_HUA722020ALA330_29.json": (PASS, ""),
    "INTEL_SSDPE2KX080T8_5.json": (PASS, ""),
    "INTEL_SSDPE2KX080T8_6.json": (PASS, ""),
    "KXG60ZNV512G_TOSHIBA_2.json": (PASS, ""),
    "KXG60ZNV512G_TOSHIBA_8.json": (PASS, ""),
    "MB0500EBNCR_14.json": (WARN, "reported uncorrectable 1 in its life"),
    "SAMSUNG_MZ7WD240HAFV-00003_22.json": (PASS, ""),
    "SAMSUNG_MZQLB1T9HAJR-00007_19.json": (PASS, "14 old entries in its error log"),
    "SAMSUNG_MZVL21T0HCLR-00B00_24.json": (PASS, ""),
    "SEAGATE_ST373453LC_26.json": (WARN, "grown defects 260 in its life; uncorrected read 1 in its life; uncorrected write 535 in its life"),
    "SEAGATE_ST373453LC_27.json": (PASS, ""),
    "WDC_WD20EFRX-68EUZN0_18.json": (PASS, ""),
    "nvme-null-HUSMR7632BHP301-nvme0.json": (PASS, "34 old entries in its error log"),
    "nvme-null-INTEL_MEMPEK1W032GA-nvme0.json": (PASS, ""),
    "nvme-null-INTEL_SSDPE2KE016T8-nvme0.json": (PASS, ""),
    "nvme-null-INTEL_SSDPE2KE032T8-nvme0.json": (PASS, ""),
    "nvme-null-INTEL_SSDPE2KX010T8-nvme1.json": (PASS, ""),
    "nvme-null-INTEL_SSDPE2KX020T7-nvme6.json": (PASS, ""),
    "nvme-null-INTEL_SSDPE2KX020T8-nvme2.json": (PASS, ""),
    "nvme-null-INTEL_SSDPE2MX450G7-nvme0.json": (PASS, ""),
    "nvme-null-INTEL_SSDPF2KX038T1-nvme5.json": (PASS, ""),
    "nvme-null-Micron_7300_MTFDHBE1T6TDG-nvme0.json": (PASS, "1 old entries in its error log"),
    "nvme-null-Micron_7300_MTFDHBE1T9TDF-nvme0.json": (PASS, ""),
    "nvme-null-Micron_7400_MTFDKCB1T9TDZ-nvme10.json": (PASS, "17 old entries in its error log"),
    "nvme-null-Micron_7400_MTFDKCB3T2TFC-nvme2.json": (PASS, "9 old entries in its error log"),
    "nvme-null-Micron_7450_MTFDKCC3T2TFS-nvme1.json": (PASS, ""),
    "nvme-null-Micron_7450_MTFDKCC3T8TFR-nvme11.json": (PASS, ""),
    "nvme-null-SAMSUNG_MZPLJ6T4HALA-00007-nvme0.json": (PASS, ""),
    "nvme-null-SAMSUNG_MZPLL1T6HEHP-00003-nvme0.json": (PASS, ""),
    "nvme-null-SAMSUNG_MZPLL3T2HAJQ-00005-nvme1.json": (PASS, ""),
    "nvme-null-SAMSUNG_MZQL23T8HCLS-00A07-nvme9.json": (PASS, ""),
    "nvme-null-SAMSUNG_MZQL2960HCJR-00A07-nvme0.json": (PASS, ""),
    "nvme-null-SAMSUNG_MZWLL3T2HAJQ-00005-nvme0.json": (FAIL, "the drive says that it is failing; critical warning 0x10: volatile memory backup failed"),
    "sat-Dell_Certified_Intel_S3520_Series_SSDs-SSDSCKJB240G7R-sdm.json": (PASS, ""),
    "sat-HGST_Ultrastar_7K6000-HGST_HUS726040ALA614-sda.json": (PASS, ""),
    "sat-HGST_Ultrastar_7K6000-HGST_HUS726060ALE614-sdf.json": (PASS, ""),
    "sat-HGST_Ultrastar_HC310_320-HGST_HUS726T4TALE6L4-sda.json": (PASS, ""),
    "sat-Hitachi_Deskstar_7K1000.C-Hitachi_HDS721010CLA332-sda.json": (PASS, ""),
    "sat-Hitachi_HGST_Ultrastar_7K2-HGST_HUS722T2TALA604-sdc.json": (PASS, ""),
    "sat-Hitachi_HGST_Ultrastar_7K4000-HGST_HUS724040ALA640-sda.json": (PASS, ""),
    "sat-Intel_730_and_DC_S35x0_3610_3700_Series_SSDs-INTEL_SSDSC2BB240G4-sde.json": (PASS, ""),
    "sat-Intel_730_and_DC_S35x0_3610_3700_Series_SSDs-INTEL_SSDSC2BB240G6-sdf.json": (PASS, ""),
    "sat-Intel_730_and_DC_S35x0_3610_3700_Series_SSDs-INTEL_SSDSC2BB480G6-sda.json": (PASS, ""),
    "sat-Intel_S4510_S4610_S4500_S4600_Series_SSDs-INTEL_SSDSC2KB019T7-sdq.json": (PASS, ""),
    "sat-Intel_S4510_S4610_S4500_S4600_Series_SSDs-INTEL_SSDSC2KB019T8-sdr.json": (PASS, ""),
    "sat-Intel_S4510_S4610_S4500_S4600_Series_SSDs-INTEL_SSDSC2KB019TZ-sdr.json": (PASS, ""),
    "sat-Intel_S4510_S4610_S4500_S4600_Series_SSDs-INTEL_SSDSC2KB240G8-sdc.json": (PASS, ""),
    "sat-Intel_S4510_S4610_S4500_S4600_Series_SSDs-INTEL_SSDSC2KB480G7-sda.json": (PASS, ""),
    "sat-Intel_S4510_S4610_S4500_S4600_Series_SSDs-INTEL_SSDSC2KB480G8-sdm.json": (PASS, ""),
    "sat-Intel_S4510_S4610_S4500_S4600_Series_SSDs-INTEL_SSDSCKKB480G8-sda.json": (PASS, ""),
    "sat-Micron_5100_Pro___52x0___5300_SSDs-Micron_5300_MTFDDAK240TDS-sda.json": (PASS, "command timeouts 10 in its life"),
    "sat-Micron_5100_Pro___52x0___5300_SSDs-Micron_5300_MTFDDAV240TDS-sda.json": (PASS, "command timeouts 33 in its life"),
    "sat-Phison_Driven_SSDs-KINGSTON_SA400M8120G-sda.json": (PASS, "smartctl: a command failed or a checksum was wrong"),
    "sat-Samsung_based_SSDs-SAMSUNG_MZ7LH480HAHQ-00005-sda.json": (PASS, ""),
    "sat-Seagate_Constellation_ES.3-ST1000NM0033-9ZM173-sdq.json": (PASS, ""),
    "sat-Seagate_Constellation_ES.3-ST2000NM0033-9ZM175-sde.json": (PASS, ""),
    "sat-Seagate_Constellation_ES.3-ST3000NM0033-9ZM178-sdc.json": (WARN, "reallocated sectors 1 in its life; its link runs at 3 of 6 Gb/s"),
    "sat-Seagate_Constellation_ES_SATA_6Gb_s-ST500NM0011-sda.json": (PASS, ""),
    "sat-Seagate_Enterprise_Capacity_3.5_HDD-ST8000NM0016-1U3101-sds.json": (PASS, ""),
    "sat-Seagate_Exos_7E8-ST1000NM000A-2J3100-sdq.json": (PASS, ""),
    "sat-Seagate_Exos_7E8-ST8000NM000A-2KE101-sdi.json": (PASS, ""),
    "sat-Toshiba_3.5_MG03ACAxxxY_Enterprise_HDD-TOSHIBA_MG03ACA100-sdv.json": (PASS, ""),
    "sat-Toshiba_MG04ACA..._Enterprise_HDD-TOSHIBA_MG04ACA400E-sdg.json": (PASS, ""),
    "sat-Toshiba_MG06ACA..._Enterprise_Capacity_HDD-TOSHIBA_MG06ACA800E-sda.json": (PASS, ""),
    "sat-Western_Digital_RE3_Serial_ATA-WDC_WD1002FBYS-02A6B0-sdb.json": (PASS, ""),
    "sat-Western_Digital_RE4-WDC_WD1003FBYX-01Y7B0-sda.json": (PASS, "crc errors 644 in its life"),
    "sat-Western_Digital_RE4-WDC_WD1003FBYZ-010FB0-sdq.json": (PASS, ""),
    "sat-Western_Digital_RE4-WDC_WD2003FYYS-02W0B1-sdi.json": (WARN, "crc errors 3118119 in its life"),
    "sat-Western_Digital_RE4-WDC_WD5003ABYX-01WERA1-sdb.json": (PASS, ""),
    "sat-Western_Digital_Re-WDC_WD2000FYYZ-01UL1B1-sdj.json": (PASS, ""),
    "sat-Western_Digital_Ultrastar_DC_HC550-WDC__WUH721816ALE6L4-sdx.json": (PASS, "crc errors 1 in its life; 1 old entries in its error log"),
    "sat-null-Hitachi_HUA722010CLA630-sda.json": (PASS, ""),
    "sat-null-ST18000NM000J-2TV103-sda.json": (PASS, ""),
    "sat-null-ST8000NM017B-2TJ103-sda.json": (PASS, ""),
    "sat-null-TOSHIBA_HDWR160-sdc.json": (PASS, ""),
    "smart-ata-date.json": (PASS, ""),
    "smart-ata-full.json": (PASS, ""),
    "smart-fail2.json": (FAIL, "the drive says that it is failing; Reallocated_Sector_Ct (5) at 1, threshold 5; pending sectors 8, limit 0; its long self-test failed 52 hours ago (Extended offline: Completed: read failure at block 104870168), and only short ones passed since"),
    "smart-megaraid0.json": (PASS, "smartctl: a command failed or a checksum was wrong"),
    "smart-megaraid1.json": (WARN, "reallocated sectors 387 in its life"),
    "smart-nvme-failed.json": (WARN, "media errors 7 in its life"),
    "smart-nvme2.json": (PASS, "8382 old entries in its error log"),
    "smart-pass.json": (ERROR, "its error counters were not captured, so they cannot be judged"),
    "smart-sat.json": (ERROR, "the drive's own health verdict was not captured"),
}
# fmt: on


def said(verdict: DriveVerdict) -> tuple[str, str]:
    if verdict.failing:
        return FAIL, "; ".join(verdict.failing)
    if verdict.trouble:
        return ERROR, "; ".join(verdict.trouble)
    if verdict.warnings:
        return WARN, "; ".join(verdict.warnings)
    return PASS, "; ".join(verdict.notes)


def test_every_recorded_drive_is_judged_with_words_where_it_is_not_simply_well(corpus: Path) -> None:
    """Also those that the table does not know: a folder with more recordings may take this one's place."""
    judged = {path.name: said(judge(smartctl.parse(path.read_text()))) for path in (corpus / "smartctl").glob("*.json")}
    assert TABLE.keys() <= judged.keys()
    assert all(words for verdict, words in judged.values() if verdict != PASS)


@pytest.mark.parametrize("name", TABLE)
def test_a_recorded_drive_gets_the_verdict_that_a_person_would_give(corpus: Path, name: str) -> None:
    assert said(judge(smartctl.parse((corpus / "smartctl" / name).read_text()))) == TABLE[name]
