"""ON THE INSTALLED OS: says that the host is up, and reboots it into vetting when it was ordered, allowed, and nothing speaks against it."""
