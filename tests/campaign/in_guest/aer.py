"""Tells the kernel of a PCIe error that a device has not had: what aer-inject does, in the layout of the kernel's aer_inject.c.

aer.py BDF correctable|uncorrectable BITS   (the bits of the device's error status register, such as 0x40)
"""

import struct
import sys

domain, bus, rest = sys.argv[1].split(":")
device, function = rest.split(".")
bits = int(sys.argv[3], 0)
uncorrectable, correctable = (bits, 0) if sys.argv[2] == "uncorrectable" else (0, bits)
told = struct.pack(
    "=BBBxIIIIIII",
    int(bus, 16),
    int(device, 16),
    int(function),
    uncorrectable,
    correctable,
    0,
    1,
    2,
    3,
    int(domain, 16),
)
with open("/dev/aer_inject", "wb", buffering=0) as file:
    file.write(told)
