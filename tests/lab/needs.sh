# shellcheck shell=bash disable=SC2034 # read into build.sh
# What the virtual rack runs, as program:package; a path stands for a file that is no program.
lab_needs=(
    qemu-system-x86_64:qemu-system-x86 ipmi_sim:openipmi ssh:openssh-client ssh-keygen:openssh-client curl:curl
    efibootmgr:efibootmgr mcopy:mtools mkfs.vfat:dosfstools zstd:zstd dnsmasq:dnsmasq-base setpriv:util-linux
    /usr/share/OVMF/OVMF_CODE_4M.fd:ovmf /usr/share/seabios/bios-256k.bin:seabios
    /usr/lib/ipxe/ipxe.lkrn:ipxe /usr/lib/ipxe/qemu/pxe-virtio.rom:ipxe-qemu
    /usr/lib/systemd/boot/efi/systemd-bootx64.efi:systemd-boot-efi
)
