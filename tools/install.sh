# shellcheck shell=bash
# `./build.sh install` and `./build.sh uninstall`, sourced by build.sh: the orchestrator as a service of this machine.
# DESTDIR puts everything below another root, for packages and tests: then no user is made and no service is touched.

: "${here:?is sourced by build.sh}" "${zipapp:?is sourced by build.sh}"

# What `vetting serve` starts, or people with it.
serve_needs=(dnsmasq:dnsmasq-base iperf3:iperf3 ipmitool:ipmitool ssh:openssh-client setpriv:util-linux)

prefix=/usr/local
root=${DESTDIR:-}

installed_places() {
    lib=$root$prefix/lib/vetting
    launcher=$root$prefix/bin/vetting
    config=$root/etc/vetting/vetting.yaml
    unit=$root/etc/systemd/system/vetting.service
    sysusers=$root/etc/sysusers.d/vetting.conf
}

check_prefix() {
    [[ $prefix =~ ^(/[A-Za-z0-9._-]+)+$ && /$prefix/ != */../* && /$prefix/ != */./* ]] ||
        refuse "--prefix must be a plain absolute path such as /usr/local, not '$prefix'"
    [[ $prefix/ != /home/* && $prefix/ != /root/* ]] || refuse "the service cannot look into $prefix: choose another --prefix"
    [[ -z $root || $root == /* ]] || refuse "DESTDIR must be an absolute path, not '$root'"
}

systemd_runs() { [[ -z $root && -d /run/systemd/system ]]; }

# The system's own Python, for the service sees no home directories and outlives every environment.
system_python() {
    local candidate
    for candidate in /usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    refuse "there is no Python 3.11, 3.12 or 3.13 in /usr/bin: install the package python3"
}

# put MODE SOURCE TARGET: there whole or not at all, for the earlier one may be running.
put() {
    install -D -m "$1" "$2" "$3.part"
    mv -f "$3.part" "$3"
}

put_image() {
    if [[ ! -r $here/dist/image/vmlinuz ]]; then
        say "no live image here, so no host can boot over the network yet: ./build.sh install --with-image builds it"
        return
    fi
    rm -rf "$lib/image.part"
    mkdir -p "$lib/image.part"
    cp -R "$here/dist/image/." "$lib/image.part"
    chmod -R u=rwX,go=rX "$lib/image.part"
    rm -rf "$lib/image"
    mv "$lib/image.part" "$lib/image"
}

# Yours is never overwritten: what ships now lies beside it where the two differ.
put_config() {
    if [[ ! -e $config ]]; then
        put 640 "$here/vetting.yaml" "$config"
        say "wrote $config: what ships, commented"
    elif cmp -s "$here/vetting.yaml" "$config"; then
        rm -f "$config.new"
    else
        put 640 "$here/vetting.yaml" "$config.new"
        say "$config stays as it is; what ships now lies beside it as ${config##*/}.new"
    fi
}

write_launcher() {
    mkdir -p "${launcher%/*}"
    # Root never runs what the service's user could have changed: each has a cache of its own.
    cat >"$launcher.part" <<LAUNCHER
#!/bin/sh
case \$(id -un) in
    root) cache=/root/.cache/vetting ;;
    vetting) cache=/var/cache/vetting ;;
    *) cache= ;;
esac
if [ -n "\$cache" ]; then export SHIV_ROOT="\${SHIV_ROOT:-\$cache}"; fi
exec $python $prefix/lib/vetting/vetting "\$@"
LAUNCHER
    chmod 755 "$launcher.part"
    mv -f "$launcher.part" "$launcher"
}

write_unit() {
    mkdir -p "${unit%/*}"
    sed -e "s|/usr/local/|$prefix/|g" -e "s|/usr/bin/python3 |$python |" "$here/systemd/vetting.service" >"$unit.part"
    chmod 644 "$unit.part"
    mv -f "$unit.part" "$unit"
}

make_user() {
    if [[ -n $root ]]; then return; fi
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers "$sysusers"
    elif ! id -u vetting >/dev/null 2>&1; then
        useradd --system --user-group --home-dir /var/lib/vetting --no-create-home --shell /usr/sbin/nologin vetting
    fi
    chgrp vetting "$config" "$config.new" 2>/dev/null || chgrp vetting "$config"
}

do_install() {
    local with_image='' start='' python
    while (($#)); do
        case $1 in
            --prefix) prefix=${2:-}; shift ;;
            --with-image) with_image=1 ;;
            --start) start=1 ;;
            *) refuse "install knows --prefix DIR, --with-image and --start, not '$1'" ;;
        esac
        shift
    done
    check_prefix
    installed_places
    umask 022
    if [[ -z $root ]]; then need_packages "${serve_needs[@]}"; fi
    python=$(system_python)
    build_zipapp
    if [[ -n $with_image && ! -r $here/dist/image/vmlinuz ]]; then do_image; fi

    put 755 "$zipapp" "$lib/vetting"
    put_image
    for page in "$here"/docs/*.md; do put 644 "$page" "$lib/docs/${page##*/}"; done
    write_launcher
    put 644 "$here/systemd/vetting.sysusers" "$sysusers"
    put_config
    write_unit
    make_user
    say "installed in $lib, started as $launcher, configured in $config"
    tell_what_remains "$start"
}

tell_what_remains() {
    local start=$1
    if [[ -n $root ]]; then
        say "DESTDIR is set: no user was made and no service was touched"
        return
    fi
    "$launcher" check-config "$config" >&2 || refuse "$config has to be put right before the service can start"
    if ! systemd_runs; then
        say "systemd does not run here; where it does: systemctl daemon-reload && systemctl enable --now vetting"
    elif [[ -n $start ]]; then
        systemctl daemon-reload
        systemctl enable --quiet vetting
        systemctl restart vetting || { systemctl status --no-pager --full vetting >&2 || true; exit 1; }
        say "$(systemctl show --property StatusText --value vetting)"
    else
        systemctl daemon-reload
        if systemctl is-active --quiet vetting; then
            say "the earlier version still runs; now or later: systemctl restart vetting"
        else
            say "not started yet: systemctl enable --now vetting"
        fi
    fi
    say "a firewall must let in 8443/tcp (API), 8480/tcp (image), 5201-5232/tcp (iperf3), 67, 69 and 4011/udp (boot), 6666/udp"
}

do_uninstall() {
    local purge=''
    while (($#)); do
        case $1 in
            --prefix) prefix=${2:-}; shift ;;
            --purge) purge=1 ;;
            *) refuse "uninstall knows --prefix DIR and --purge, not '$1'" ;;
        esac
        shift
    done
    check_prefix
    installed_places
    if systemd_runs && [[ -e $unit ]]; then systemctl disable --quiet --now vetting; fi
    rm -f "$unit" "$sysusers" "$launcher"
    rm -rf --one-file-system "$lib" "$root/var/cache/vetting"
    if systemd_runs; then systemctl daemon-reload; fi
    if [[ -z $purge ]]; then
        say "removed; $root/etc/vetting, $root/var/lib/vetting and the user vetting stay: --purge removes them too, for good"
        return
    fi
    rm -rf --one-file-system "$root/etc/vetting" "$root/var/lib/vetting"
    if [[ -z $root ]] && id -u vetting >/dev/null 2>&1; then userdel vetting; fi
    say "removed, with configuration, database, artifacts, reports and keys"
}
