"""WHAT A TOOL SAID: one file a tool, text in, frozen values out; ParseError for anything else, None for what was not captured.

Give `parse` the stdout of one call. Those marked * want both streams joined, for the tool changed its mind about which to use.

    blkid         parse(text)* -> tuple[Probe, ...]                    blkid -p -o export DEV
    ceph          parse_osds(text, host, also) -> tuple[Osd, ...]      ceph osd tree --format json
                  parse_monitors(text, name) -> Votes                  ceph quorum_status --format json
    dmidecode     parse(text) -> Dmi                                   dmidecode
                  parse_records(text) -> tuple[Record, ...]; size_bytes(text) -> int | None
    edac          parse(tree: path -> text) -> tuple[Controller, ...]; totals(controllers) -> (corrected, uncorrected)
    efibootmgr    parse(text) -> BootManager; network_entry(known, macs) -> Entry | None     efibootmgr -v
    ethtool       parse(text) -> Link                                  ethtool IF
                  parse_driver(text) -> Driver                         ethtool -i IF
                  parse_counters(text) -> dict[str, int]               ethtool -S IF
    fio           parse(text)* -> FioRun                               fio --output-format=json ...
    golden        parse(text) -> tuple[OnCpu, ...]                     vetting golden
    gpu_burn      parse(text)* -> GpuBurnRun                           gpu_burn SECONDS
    ip            parse(text) -> tuple[Interface, ...]                 ip -j [-s] [-d] addr | link
                  parse_route(text) -> Route; parse_neighbours(text)   ip -j route get ADDRESS; ip -j neigh
    iperf3        parse(text)* -> IperfRun                             iperf3 -c HOST -J ...
    ipmitool      parse_mc_info (= parse) -> Bmc                       ipmitool mc info
                  parse_sdr -> tuple[SensorReading, ...]               ipmitool sdr elist
                  parse_sel* -> tuple[SelRecord, ...]                  ipmitool sel elist
                  parse_sel_info -> bool (full)                        ipmitool sel info
                  parse_power -> float | None (watts)                  ipmitool dcmi power reading
                  parse_fru -> dict[str, str]                          ipmitool fru print
    crash         headlines(lines) -> tuple[str, ...]                  what a kernel died of; never raises
    kmsg          parse(text) -> tuple[KernelEvent, ...]               dmesg, /dev/kmsg; never raises
                  classify(line) -> KernelEvent | None; sequence(line) -> int | None
    lldp          parse(text) -> tuple[Neighbor, ...]                  lldpcli -f json show neighbors
    lsblk         parse(text) -> tuple[BlockDevice, ...]               lsblk -J -b -O, or -o COLUMNS
    lscpu         parse(text) -> Cpus; count(cpu_list) -> int          lscpu -J
    lshw          parse(text) -> tuple[HardwareNode, ...]              lshw -json
    lspci         parse(text) -> tuple[PciDevice, ...]                 lspci -Dvmmnnk
                  parse_links(text) -> tuple[PcieLink, ...]            lspci -Dvv
    netconsole    parse(datagram) -> tuple[Line, ...]; join(datagrams) -> Iterator[Line]; never raises
    nvidia_smi    parse(text) -> NvidiaSmi                             nvidia-smi -q -x
    nvme          parse(text) -> tuple[Namespace, ...]                 nvme list -o json
                  parse_id_ctrl(text) -> ControllerId                  nvme id-ctrl DEV -o json
                  parse_smart_log(text) -> SmartLog                    nvme smart-log DEV -o json
                  parse_self_test_log(text) -> SelfTestLog             nvme self-test-log DEV -o json
    procfs        parse_meminfo -> dict[str, int] (bytes)              /proc/meminfo
                  parse_counters(text, source) -> dict[str, int]       /proc/vmstat, memory.events
                  oom_kills(text) -> int | None                        /proc/vmstat
                  parse_net_dev -> dict[str, NetCounters]              /proc/net/dev
                  parse_cpuinfo -> tuple[CpuEntry, ...]                /proc/cpuinfo
                  parse_diskstats -> dict[str, DiskCounters]           /proc/diskstats
                  parse_mounts -> tuple[Mount, ...]; parse_swaps -> tuple[Swap, ...]; parse_mdstat -> tuple[MdArray, ...]
    pstore        parse(name, raw) -> Record; said(records) -> str     /sys/fs/pstore/*; never raises
    pvecm         parse_votes(text) -> Votes                           pvecm status
    pvesh         parse_guests(text, kind) -> tuple[Guest, ...]        pvesh get /nodes/NODE/qemu|lxc --output-format json
                  parse_cluster(text) -> Cluster                       pvesh get /cluster/status ...
                  parse_ha(text, node) -> Ha                           pvesh get /cluster/ha/status/current ...
    sfdisk        parse(text) -> PartitionTable; purpose(guid) -> str | None     sfdisk --json DEV
    smartctl      parse(text) -> SmartReport (domain.smartreport)      smartctl --json -x DEV
                  exit_flags(status) -> frozenset[ExitFlag]; parse_scan(text) -> tuple[(device, type), ...]
    stressapptest parse(text)* -> SatRun                               stressapptest -s N -M N
    stressng      parse(text)* -> StressNgRun                          stress-ng ... --metrics
                  parse_yaml(text) -> tuple[StressorMetric, ...]       its --yaml file
    wipefs        parse(text) -> tuple[Signature, ...]                 wipefs -J --no-act DEV
    zpool         parse_busy(text) -> tuple[str, ...]                  zpool status

`parse_version(text) -> str` of `TOOL --version`: dmidecode, fio, iperf3, ipmitool (-V), nvme (version), smartctl, stressng.
"""

from __future__ import annotations

from vetting.parsers.errors import ParseError

__all__ = ["ParseError"]
