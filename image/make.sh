#!/usr/bin/env bash
# Makes dist/image out of image/ with mkosi, inside a Debian 13 tools tree. `./build.sh image` calls it, as root:
#
#   image/make.sh CHECKOUT VERSION
#
# All mounts are made in a mount namespace of this script's own: they end with it, however it ends.
set -euo pipefail

if [[ ${VETTING_IMAGE_NAMESPACE:-} != yes ]]; then
    unshare --mount true || {
        echo "image: this needs mounts of its own, which are not allowed here (a container without CAP_SYS_ADMIN?)" >&2
        exit 2
    }
    exec env VETTING_IMAGE_NAMESPACE=yes unshare --mount --propagation private -- "$0" "$@"
fi

here=$1 version=$2
room=$here/build/image
tools=$room/tools
suite=trixie
tools_packages=mkosi,ca-certificates,ipxe,zstd,cpio
: "${VETTING_ZSTD_LEVEL:=10}"

say() { printf 'image: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Runs a program with its words kept in a file; they are shown when it fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        fail "$1 failed; its last words stand above, all of them in $log"
    }
}

# Where this machine gets Debian from: its own mirror where it is Debian, else Debian's own address or $VETTING_DEBIAN_MIRROR.
mirror() {
    local wanted=$1 fallback=$2 targets found
    # shellcheck disable=SC2016 # apt fills these in
    targets=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null || true)
    found=$(awk -v wanted="$wanted" '!found && $2 ~ wanted && $3 == "main" { sub("/$", "", $1); print $1; found = 1 }' <<<"$targets")
    printf '%s\n' "${found:-$fallback}"
}

write_sources() {
    local main security keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    main=${VETTING_DEBIAN_MIRROR:-} security=${VETTING_DEBIAN_SECURITY_MIRROR:-}
    : "${main:=$(mirror '^(bookworm|trixie|stable|oldstable)$' http://deb.debian.org/debian)}"
    : "${security:=$(mirror '^(bookworm|trixie|stable|oldstable)-security$' http://deb.debian.org/debian-security)}"
    cat >"$1" <<SOURCES
Types: deb
URIs: $main
Suites: $suite $suite-updates
Components: main non-free-firmware
Signed-By: $keyring

Types: deb
URIs: $security
Suites: $suite-security
Components: main non-free-firmware
Signed-By: $keyring
SOURCES
}

need_tools() {
    local want="$suite $tools_packages"
    if [[ -r $tools.stamp && $(<"$tools.stamp") == "$want" ]]; then return; fi
    say "making a Debian 13 tools tree for mkosi"
    rm -rf --one-file-system "$tools" "$tools.stamp"
    quietly "$room/tools.log" mmdebstrap --mode=root --variant=apt --include="$tools_packages" \
        "$suite" "$tools" "$room/debian.sources"
    printf '%s\n' "$want" >"$tools.stamp"
}

# mkosi's sandbox wants a root that is a mount point.
enter_tools() {
    mkdir -p "$tools"/vetting/{image,room}
    mount --bind "$tools" "$tools"
    mount -t proc proc "$tools/proc"
    mount --rbind /sys "$tools/sys"
    mount --rbind /dev "$tools/dev"
    mount -t tmpfs tmpfs "$tools/run"
    mount --bind "$here/image" "$tools/vetting/image"
    mount -o remount,bind,ro "$tools/vetting/image"
    mount --bind "$room" "$tools/vetting/room"
    cp /etc/resolv.conf "$tools/etc/resolv.conf"
}

run_mkosi() {
    local in=/vetting/room
    mkdir -p "$room"/{pkgcache,cache,work,sandbox/etc/apt/sources.list.d,extra/usr/lib/vetting,extra/usr/share/vetting}
    rm -rf --one-file-system "$room/out"
    mkdir "$room/out"
    cp "$room/debian.sources" "$room/sandbox/etc/apt/sources.list.d/mkosi.sources"
    install -m 755 "$here/dist/vetting" "$room/extra/usr/lib/vetting/vetting"
    printf '%s\n' "$version" >"$room/extra/usr/share/vetting/version"
    (cd "$here" && .venv/bin/python -m tools.image.programs) >"$room/extra/usr/share/vetting/programs"
    quietly "$room/mkosi.log" chroot "$tools" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} ${no_proxy:+"no_proxy=$no_proxy"} \
        mkosi --directory /vetting/image --force --incremental=yes \
        --sandbox-tree "$in/sandbox" --extra-tree "$in/extra" \
        --package-cache-directory "$in/pkgcache" --cache-directory "$in/cache" --workspace-directory "$in/work" \
        --output-directory "$in/out" build
}

# One initrd: microcode first and plain, as the kernel wants it, then everything else. The boot loaders come from the tools
# tree, so that a machine without a way out needs nothing more than this folder to serve it.
deliver() {
    local out=$room/out
    cat "$out/microcode.cpio" >"$out/initrd.img"
    zstd --quiet --stdout -T0 "-$VETTING_ZSTD_LEVEL" "$out/vetting-live.cpio" >>"$out/initrd.img"
    # A loader may lay another archive behind it, and the kernel looks for one at multiples of four bytes alone.
    truncate --size=%4 "$out/initrd.img"
    cp "$tools"/usr/lib/ipxe/{undionly.kpxe,snponly.efi} "$out/"
    (cd "$here" && .venv/bin/python -m tools.image.manifest "$out" dist/vetting dist/image)
    rm -f "$out/vetting-live.cpio"
}

# The proxy that apt goes through on this machine, for both tools.
proxy=${http_proxy:-}
if [[ -z $proxy ]]; then eval "$(apt-config shell proxy Acquire::http::Proxy)"; fi
if [[ -n $proxy ]]; then export http_proxy=$proxy; fi

mkdir -p "$room"
write_sources "$room/debian.sources"
need_tools
enter_tools
run_mkosi
deliver
