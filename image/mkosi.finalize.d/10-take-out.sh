#!/bin/bash
# From outside, when the image is complete: take out what is delivered beside it, drop what nothing opens.
set -euo pipefail
root=$BUILDROOT

# The kernel travels beside the initrd, the microcode uncompressed before it.
cp "$root"/usr/lib/modules/*/vmlinuz "$OUTPUTDIR/vmlinuz"
cp "$root/usr/share/vetting/image.json" "$OUTPUTDIR/image.json"
rm -rf "${root:?}"/usr/lib/modules/*/vmlinuz "${root:?}"/boot/*
early=$(mktemp -d)
mkdir -p "$early/kernel/x86/microcode"
find "$root/usr/lib/firmware/intel-ucode" -type f | LC_ALL=C sort | xargs cat >"$early/kernel/x86/microcode/GenuineIntel.bin"
find "$root/usr/lib/firmware/amd-ucode" -type f -name '*.bin' | LC_ALL=C sort | xargs cat >"$early/kernel/x86/microcode/AuthenticAMD.bin"
find "$early" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
(cd "$early" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible --create --format newc --owner 0:0) >"$OUTPUTDIR/microcode.cpio"
rm -rf "$early" "$root/usr/lib/firmware/intel-ucode" "$root/usr/lib/firmware/amd-ucode"

# Masked here and not before: mkosi's presets would take the mask of an instance away. The sign-in service asks for it.
ln -s /dev/null "$root/etc/systemd/system/modprobe@drm.service"
