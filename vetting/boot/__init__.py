"""HOSTS BOOT FROM US: boot scripts by MAC address, kernel and initrd, over plain HTTP; nothing that is secret for long."""
