#!/usr/bin/env bash
# Builds dist/vetting and runs `try` and the tests. Installs what they need where it may, else prints the command.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv
zipapp=$here/dist/vetting
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# program:package (Debian's and Ubuntu's names). What `try` runs on the machine:
try_needs=(
    stress-ng:stress-ng stressapptest:stressapptest fio:fio iperf3:iperf3 smartctl:smartmontools nvme:nvme-cli
    ipmitool:ipmitool lshw:lshw dmidecode:dmidecode lspci:pciutils lsusb:usbutils ethtool:ethtool hdparm:hdparm
    ip:iproute2 losetup:mount mount:mount sfdisk:fdisk badblocks:e2fsprogs
    blkid:util-linux choom:util-linux setpriv:util-linux lsblk:util-linux lscpu:util-linux prlimit:util-linux wipefs:util-linux
)
# What the tests need beside that:
test_needs=(
    git:git shellcheck:shellcheck openssl:openssl mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.vfat:dosfstools
    dnsmasq:dnsmasq-base sgdisk:gdisk systemd-analyze:systemd mkswap:util-linux nsenter:util-linux lvm:lvm2 dmsetup:dmsetup mdadm:mdadm cryptsetup:cryptsetup-bin
    pdftotext:poppler-utils curl:curl ipmi_sim:openipmi sshd:openssh-server ssh:openssh-client
)
# A browser opens the reports. Ubuntu has it as a snap only: there those tests skip and say so.
if [[ -r /etc/os-release && $'\n'$(</etc/os-release) == *$'\nID=debian\n'* ]]; then test_needs+=(chromium:chromium); fi

usage() {
    cat <<'HELP'
usage: ./build.sh COMMAND

  zipapp         build dist/vetting: one file for Python 3.11, 3.12 and 3.13
  try [ARGS]     build, then vet this very machine: dist/vetting try ARGS (needs root)
  test           everything: format, lint, types, import rules, shellcheck and every test (needs root)
  test unit      the fast tests, under a minute
  test served    API, boot service and pages, asked of a running server
  test lint      format, lint, types, import rules, shellcheck
  test machine   the tests with real tools, processes and loop devices (needs root)
  test browser   the console's pages in a real Chromium (needs root)
  test lab       the tests on the virtual rack (needs root)
  test campaign  a few faults and healthy hosts of the campaign (needs root)
  test bench     the measurements
  campaign [--fast] [--only NAME...] [--resume]   every fault into a virtual host, docs/fault-campaign.md from what came of it (needs root)
  install [--with-image] [--start] [--prefix DIR]   the orchestrator as a service of this machine (needs root)
  uninstall [--purge] [--prefix DIR]                take it away; with --purge its data and configuration too
  image          dist/image: the live image, kernel and boot loaders, for hosts that start over the network (needs root)
  lock [--upgrade]   renew the pinned requirements, Python's and npm's
  clean [--all]  remove what was built; with --all the Python environment too
  help           this text

What is missing is installed with apt-get on Debian 12, Debian 13 and Ubuntu 24.04 as root or with sudo that asks for no
password; elsewhere the exact command is printed and the exit status is 2. More arguments after a test layer go to pytest.
HELP
}

say() { printf 'build.sh: %s\n' "$*" >&2; }
refuse() { say "$*"; exit 2; }

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

can_be_root() { ((EUID == 0)) || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; }

# The real tools on the real devices need root: go on as root where sudo asks for nothing, else print the command.
need_root() {
    if ((EUID == 0)); then return; fi
    can_be_root || refuse "this needs root, for it runs the real tools on the real devices: sudo $here/build.sh $*"
    say "going on as root through sudo"
    exec sudo -n env ${CI:+"CI=$CI"} ${VETTING_CORPUS:+"VETTING_CORPUS=$VETTING_CORPUS"} "$here/build.sh" "$@"
}

# What root made in somebody's checkout belongs to the owner, who goes on without root: builds, tests, cleans.
hand_back() {
    if ((EUID != 0)) || [[ -O $here ]]; then return; fi
    find "$here" -xdev -path "$here/build/image" -prune -o \
        -user 0 -exec chown --no-dereference "$(stat -c %u:%g "$here")" {} + # mkosi's trees stay root's
}

# Packages of the given program:package words whose program is not here, each once.
missing_packages() {
    local need
    for need in "$@"; do
        [[ $need == /* && -e ${need%%:*} ]] || command -v "${need%%:*}" >/dev/null || printf '%s\n' "${need##*:}"
    done | sort -u
}

# The first Python that we support and that can make an environment; nothing when there is none.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
            2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

is_debian_like() (
    # shellcheck disable=SC1091
    [[ -r /etc/os-release ]] && . /etc/os-release && [[ " ${ID:-} ${ID_LIKE:-} " == *" debian "* ]] &&
        command -v apt-get >/dev/null
)

# without_services COMMAND... runs it so that a package which brings a service does not start it: the tests run their own, on loopback.
# The SSH server that came with it stays off after the next boot too.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0 had_sshd=no
    command -v sshd >/dev/null && had_sshd=yes
    if [[ -e $policy ]]; then
        "$@" || status=$?
    else
        printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
        "$@" || status=$?
        as_root rm -f "$policy"
    fi
    if [[ $had_sshd == no ]] && command -v sshd >/dev/null; then
        as_root systemctl disable --quiet ssh.service ssh.socket 2>/dev/null || true
    fi
    return "$status"
}

# Install packages or print how, and stop.
install_packages() {
    local log=$here/build/apt.log
    local options=(--yes --no-install-recommends -o DPkg::Lock::Timeout=300)
    is_debian_like || refuse "this is not Debian or Ubuntu; install the programs of these Debian packages and run again: $*"
    can_be_root || refuse "run this, then run again: sudo apt-get update && sudo apt-get install ${options[*]} $*"
    mkdir -p "$here/build"
    say "installing $*"
    as_root apt-get update >"$log" 2>&1 || say "apt-get update had errors; going on with the package lists that are here"
    without_services as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "$@" </dev/null >>"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        say "apt-get could not install them; its last words stand above, all of them in $log"
        exit 1
    }
}

# need_packages PROGRAM:PACKAGE... makes all of them present, a Python that we support among them.
need_packages() {
    local wanted
    mapfile -t wanted < <(missing_packages "$@")
    [[ -n $(find_python) ]] || wanted+=(python3 python3-venv)
    ((${#wanted[@]} == 0)) && return
    install_packages "${wanted[@]}"
    hash -r
    mapfile -t wanted < <(missing_packages "$@")
    ((${#wanted[@]} == 0)) || refuse "still missing after the installation: ${wanted[*]}"
    [[ -n $(find_python) ]] || refuse "no Python 3.11, 3.12 or 3.13 with venv here; install one and put it on PATH"
}

sum() { sha256sum | cut -d ' ' -f 1; }

# One hash over every file that decides what dist/vetting becomes.
zipapp_inputs() (
    cd "$here"
    find vetting pxe systemd tools/zipapp.py tools/assets tools/front_door.py requirements/runtime.txt -type f \
        ! -name '*.pyc' ! -name '.*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sum
)

# Two builds at once in one checkout wait for each other.
lock() {
    mkdir -p "$here/build"
    exec 9>"$here/build/lock"
    flock 9
}
unlock() { exec 9>&-; }

need_venv() {
    local stamp=$venv/.requirements python
    local want
    want=$(cat "$here"/requirements/*.txt | sum)
    if [[ -r $stamp && $(<"$stamp") == "$want" ]] && "$venv/bin/python" -c '' 2>/dev/null; then return; fi
    if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        python=$(find_python)
        say "making the Python environment .venv with $python"
        rm -rf "$venv"
        "$python" -m venv "$venv"
    fi
    say "installing the pinned requirements"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --requirement "$here/requirements/runtime.txt" --requirement "$here/requirements/dev.txt" ||
        { say "pip could not install the pinned requirements; it said why above"; exit 1; }
    printf '%s\n' "$want" >"$stamp"
}

# What the console's pages load, from npm as the lock file says; nothing to do where it is there already.
need_assets() { (cd "$here" && "$venv/bin/python" -m tools.assets); }

build_zipapp() {
    local stamp=$here/build/zipapp-stamp want
    lock
    want=$(zipapp_inputs)
    if [[ ! -r $stamp || ! -x $zipapp || $(<"$stamp") != "$want $(sum <"$zipapp")" ]]; then
        need_venv
        need_assets
        want=$(zipapp_inputs)
        (cd "$here" && "$venv/bin/python" -m tools.zipapp "$zipapp")
        printf '%s %s\n' "$want" "$(sum <"$zipapp")" >"$stamp"
        # What last week's builds unpacked; younger ones may still be running.
        find "$here/build/unpacked" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} + 2>/dev/null || true
    fi
    unlock
}

do_zipapp() {
    need_packages
    build_zipapp
    say "$zipapp is ready, sha256 $(sum <"$zipapp")"
}

do_try() {
    local python
    need_root try "$@"
    need_packages "${try_needs[@]}"
    build_zipapp
    python=$(find_python)
    export SHIV_ROOT=$here/build/unpacked
    "$python" "$zipapp" --version >/dev/null # unpacks it
    hand_back
    [[ -O $here ]] || export PYTHONDONTWRITEBYTECODE=1
    exec "$python" "$zipapp" try "$@"
}

failed=()
# step NAME COMMAND... runs it from the root of the checkout, times it and remembers a failure; the next step still runs.
step() {
    local name=$1 began=$SECONDS
    shift
    printf '== %s\n' "$name"
    if (cd "$here" && "$@"); then
        printf '== %s: passed, %d s\n' "$name" $((SECONDS - began))
    else
        printf '== %s: FAILED, %d s\n' "$name" $((SECONDS - began))
        failed+=("$name")
    fi
}

# The tests on the real machine run one by one where they load all of it, and beside each other where they mostly wait.
at_once=(--numprocesses auto --maxprocesses 8)
beside=(--numprocesses 3 --dist loadfile)
browsers=(--numprocesses 2 --dist loadfile)
racks=(--numprocesses 2 --dist loadfile)

# pytests NAME ARGS... is the last step of its layer: pytest's own summary, its time in it, closes the output.
pytests() {
    local name=$1
    shift
    printf '== %s\n' "$name"
    (cd "$here" && "$venv/bin/python" -m pytest ${CI:+--durations=12 --durations-min=8} "$@") || failed+=("$name")
}

check_shell() {
    local scripts
    mapfile -t scripts < <(git ls-files -z '*.sh' .ci/run image/mkosi.postinst.chroot 'image/mkosi.extra/usr/lib/vetting/*' | tr '\0' '\n')
    ((${#scripts[@]})) || scripts=(build.sh .ci/run)
    shellcheck --external-sources "${scripts[@]}"
}

lint() {
    step "format" "$venv/bin/ruff" format --check .
    step "lint" "$venv/bin/ruff" check .
    step "types" "$venv/bin/mypy"
    step "import directions" "$venv/bin/lint-imports"
    step "shell" check_shell
}

do_test() {
    local layer=${1:-all} fast="not machine and not lab and not campaign and not browser and not slow" waits="machine and not lab and waits"
    shift || true
    case $layer in
        all | machine | browser | lab | campaign) need_root test "$layer" "$@" ;;
        unit | served | lint | bench) ;;
        *) refuse "there is no test layer '$layer'; ./build.sh help lists them" ;;
    esac
    case $layer in
        unit | served) need_packages git:git ;;
        lint) need_packages git:git shellcheck:shellcheck ;;
        all | lab | campaign) need_packages "${try_needs[@]}" "${test_needs[@]}" "${serve_needs[@]}" "${lab_needs[@]}" ;;
        *) need_packages "${try_needs[@]}" "${test_needs[@]}" "${serve_needs[@]}" ;;
    esac
    lock
    need_venv
    [[ $layer == lint ]] || need_assets
    unlock
    case $layer in
        unit | served | lint | browser) ;;
        all | lab | campaign) build_image ;; # and the zipapp, which is in it
        *) build_zipapp ;;
    esac
    export SHIV_ROOT=$here/build/unpacked
    case $layer in
        all)
            lint
            pytests "unit tests" -m "$fast" "${at_once[@]}" "$@"
            pytests "tests on this machine that wait" -m "$waits" "${beside[@]}" "$@"
            pytests "tests on this machine, one by one" -m "not ($fast) and not ($waits) and not lab and not campaign and not browser" "$@"
            pytests "tests in a browser" -m browser "${browsers[@]}" "$@"
            pytests "tests in the lab" -m "lab and not long" "${racks[@]}" "$@"
            pytests "the campaign, a few rows of it" -m campaign "$@"
            ;;
        unit) pytests "unit tests" -m "($fast) and not served" "${at_once[@]}" "$@" ;;
        served) pytests "tests of API and pages" -m "($fast) and served" "${at_once[@]}" "$@" ;;
        machine)
            pytests "machine tests that wait" -m "$waits" "${beside[@]}" "$@"
            pytests "machine tests, one by one" -m "machine and not lab and not waits" "$@"
            ;;
        browser) pytests "browser tests" -m browser "${browsers[@]}" "$@" ;;
        lab) pytests "lab tests" -m lab "${racks[@]}" "$@" ;;
        campaign) pytests "a few rows of the campaign" -m campaign "$@" ;;
        lint)
            lint
            ((${#failed[@]})) || printf 'everything passed\n'
            ;;
        bench) step "bench" "$venv/bin/python" -m tests.bench "$@" ;;
    esac
    if ((${#failed[@]})); then
        say "failed: $(IFS=,; printf '%s' "${failed[*]}")"
        exit 1
    fi
}

# shellcheck source=tools/install.sh
source "$here/tools/install.sh"
# shellcheck source=image/build.sh
source "$here/image/build.sh"
# shellcheck source=tests/lab/needs.sh
source "$here/tests/lab/needs.sh"

do_campaign() {
    need_root campaign "$@"
    need_packages "${try_needs[@]}" "${test_needs[@]}" "${serve_needs[@]}" "${lab_needs[@]}"
    lock
    need_venv
    need_assets
    unlock
    build_image
    export SHIV_ROOT=$here/build/unpacked
    (cd "$here" && "$venv/bin/python" -m tests.campaign "$@")
}

do_lock() {
    need_packages
    lock
    need_venv
    (cd "$here" && "$venv/bin/python" -m tools.lock "$@")
    need_venv # the npm that is pinned now writes the other lock
    (cd "$here" && "$venv/bin/python" -m tools.assets --lock "$@")
    unlock
}

do_clean() {
    local mounted
    mounted=$(findmnt --raw --noheadings --output TARGET | grep -F -- "$here/build/" || true)
    [[ -z $mounted ]] || refuse "something is mounted below build/, and removing it would reach what is mounted: umount $mounted"
    if [[ -d $here/build/image ]]; then
        can_be_root || refuse "build/image belongs to root: sudo $here/build.sh clean"
        as_root rm -rf --one-file-system "$here/build/image"
    fi
    (cd "$here" && rm -rf dist build vetting/web/static/vendor .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov)
    find "$here/vetting" "$here/tests" "$here/tools" -name __pycache__ -type d -prune -exec rm -rf {} +
    if [[ ${1:-} == --all ]]; then rm -rf "$venv"; fi
}

main() {
    local command=${1:-}
    shift || true
    trap hand_back EXIT
    case $command in
        zipapp) do_zipapp ;;
        try) do_try "$@" ;;
        test) do_test "$@" ;;
        campaign) do_campaign "$@" ;;
        install | uninstall)
            [[ -n ${DESTDIR:-} ]] || need_root "$command" "$@"
            "do_$command" "$@"
            ;;
        lock) do_lock "$@" ;;
        clean) do_clean "$@" ;;
        image) do_image "$@" ;;
        help | --help | -h) usage ;;
        '') usage; exit 2 ;;
        *) refuse "there is no command '$command'; ./build.sh help lists them" ;;
    esac
}

main "$@"
