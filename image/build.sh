# shellcheck shell=bash disable=SC2154 # read into build.sh, whose names it uses
# `./build.sh image`: dist/image, made anew only when something that decides it has changed.

image=$here/dist/image
image_needs=(mmdebstrap:mmdebstrap unshare:util-linux findmnt:util-linux zstd:zstd apt-get:apt)
# On Ubuntu it is a package of its own; the signatures of Debian's packages are checked against it.
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# One hash over everything that decides what the image becomes, the zipapp among it.
image_inputs() (
    cd "$here" || exit
    {
        find image tools/image -type f ! -name '*.pyc' ! -name '.*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        sum <"$zipapp"
        printf '%s\n' "${try_needs[@]}"
    } | sum
)

image_is_whole() {
    "$venv/bin/python" -m tools.image.manifest --check "$image" >/dev/null 2>&1
}

# build_image makes dist/image, or finds it up to date within a second. As root.
build_image() {
    local want version began=$SECONDS
    build_zipapp
    lock
    want=$(image_inputs)
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$here/vetting/__init__.py")+${want:0:12}
    if [[ ! -r $here/build/image/stamp || $(<"$here/build/image/stamp") != "$version" ]] || ! (cd "$here" && image_is_whole); then
        need_packages "${image_needs[@]}"
        [[ -r $debian_keyring ]] || install_packages debian-archive-keyring
        say "making the live image $version; the first time takes some minutes"
        "$here/image/make.sh" "$here" "$version"
        printf '%s\n' "$version" >"$here/build/image/stamp"
        say "the live image is made, in $((SECONDS - began)) s"
    fi
    unlock
}

do_image() {
    can_be_root || refuse "the live image is made as root, for mkosi mounts and changes root: sudo $here/build.sh image"
    need_root image "$@"
    need_packages "${image_needs[@]}"
    build_image
    say "$image is ready: $(cd "$here" && "$venv/bin/python" -m tools.image.manifest --check "$image")"
}
