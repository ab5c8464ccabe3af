"""A virtual rack: hosts in QEMU on a bridge in a network namespace of their own, beside a real orchestrator.

    async with Rack.built("walk") as rack:
        serve = await rack.orchestrator()
        host = await rack.host(Hardware(name="h1", firmware=Firmware.UEFI, disks=(Disk(serial="S1"),)))
        await serve.know(host)
        run = await serve.start(host)
        await host.power_on()
        await run.passes(limit_s=600)
        await host.powered_off(limit_s=60)

Nothing is faked: firmware, DHCP, TFTP, HTTP, kernel, tools and disks are real programs and files, and their traffic never leaves
the namespace. `python -m tests.lab up` does the same for a person.
"""
