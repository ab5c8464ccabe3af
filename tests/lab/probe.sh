#!/bin/bash
# Runs inside the live image in tests/lab/test_image.py, put there by a second archive behind the initrd. Says what it finds
# on the second serial port, one "name: words" a line, then powers the machine off.
exec 2>/dev/null
tell() { printf '%s: %s\n' "$1" "$(tr '\n' ' ' <<<"${2:-}")" >/dev/ttyS1; }

tell state "$(timeout 240 systemctl is-system-running --wait)"
tell failed "$(systemctl --failed --no-legend --plain)"
tell boot "$(systemd-analyze time | head -1)"
tell slowest "$(systemd-analyze blame --no-pager | head -8)"
tell network "$(journalctl -u systemd-networkd -o short-monotonic --no-pager | tail -12)"
tell rss_kb "$(ps -o rss= -p "$(systemctl show -P MainPID vetting-agent)")"
tell mounts "$(cut -d ' ' -f 1,2 /proc/mounts)"
tell swaps "$(tail -n +2 /proc/swaps)"
tell memory "$(free -m | sed -n 2p)"
tell live "$(cd "$(echo /var/cache/vetting/*/site-packages)" && python3 -c \
    'from pathlib import Path; from vetting.agent.settings import is_live_image; print(is_live_image(Path("/")))')"
tell sysctl "$(sysctl -n kernel.panic kernel.panic_on_oops kernel.sysrq vm.panic_on_oom)"
tell prompts "$(pgrep -lx 'agetty|login|sulogin')"
tell rights "$(stat -c %a /root /root/.ssh)"

# The agent: spared, and back after a death.
agent=$(systemctl show -P MainPID vetting-agent)
tell oom "$(cat "/proc/$agent/oom_score_adj")"
tell kept "$(cat /sys/fs/cgroup/system.slice/vetting-agent.service/memory.min)"
kill -KILL "$agent"
for _ in {1..60}; do
    again=$(systemctl show -P MainPID vetting-agent)
    [[ $again != 0 && $again != "$agent" ]] && break
    sleep 1
done
tell agent_again "$(systemctl is-active vetting-agent) $([[ $again != "$agent" ]] && echo anew)"

# The door: shut, opened by key alone, shut again with everybody out.
into() { ssh -o StrictHostKeyChecking=no -o BatchMode=yes -o ConnectTimeout=30 "$@"; }
tell listens_before "$(ss -Hltn 'sport = :22')"
ssh-keygen -q -t ed25519 -N '' -f /tmp/key
install -m 600 /tmp/key.pub /root/.ssh/authorized_keys
systemctl start ssh.service
tell host_keys "$(cd /etc/ssh && echo ssh_host_*_key)"
tell with_key "$(into -i /tmp/key root@127.0.0.1 id -un)"
tell without_key "$(into -i /nowhere root@127.0.0.1 id -un 2>&1 | tail -n 1)"
into -i /tmp/key root@127.0.0.1 sleep 300 &
session=$!
sleep 5
tell session "$(pgrep -fc 'sleep 300')"
systemctl stop ssh.service
wait "$session"
tell session_after "$(pgrep -fc '^sleep 300')"
tell listens_after "$(ss -Hltn 'sport = :22')"

# Arrays and volume groups on disks that appear.
look() {
    tell "$1" "lv=$(dmsetup ls --target linear | grep -c vgforeign) md=$(grep -c ^md /proc/mdstat) seen=$(
        udevadm settle -t 60
        lsblk -rno FSTYPE | sort -u | xargs
    )"
}
replug() {
    for disk in vda vdb vdc; do echo 1 >"$(readlink -f "/sys/block/$disk/device/..")/remove"; done
    sleep 2
    echo 1 >/sys/bus/pci/rescan
    sleep 3
    udevadm settle -t 90
    sleep 5
}
modprobe -a md_mod raid1
tell made_lv "$({ vgcreate vgforeign /dev/vda && lvcreate -y -l 50%VG -n lv vgforeign && vgchange -an vgforeign; } >/dev/null 2>&1 && echo yes)"
tell made_md "$({ mdadm --create /dev/md7 --run --level=1 --raid-devices=2 /dev/vdb /dev/vdc && mdadm --stop /dev/md7; } >/dev/null 2>&1 && echo yes)"
replug
look appeared
vgchange -aay vgforeign
mdadm --assemble --scan
look asked
# The same with what our image shuts opened again: the disks are good, and this test can fail.
rm -f /etc/udev/rules.d/*.rules /etc/lvm/lvmlocal.conf
: >/etc/mdadm/mdadm.conf
udevadm control --reload
replug
look control

tell end "$(date +%s)"
systemctl poweroff
