"""The zipapp's `__main__`: is this Python ours, is everything unpacked, then the verb.

shiv's own start imports a good part of the standard library on every call. Unpacking is left to it; a start that finds
everything in place goes straight to the verb, which halves what `vetting --version` costs. It also says in one sentence
what shiv would tell in a traceback. `tools/zipapp.py` writes the build's id in.
"""

import os
import sys

BUILD_ID = ""
FIRST, LAST = (3, 11), (3, 13)
SHIVS_OWN = ("SHIV_INTERPRETER", "SHIV_ENTRY_POINT", "SHIV_MODULE", "SHIV_CONSOLE_SCRIPT", "SHIV_FORCE_EXTRACT")


def cache() -> str:
    """The folder to unpack below: $SHIV_ROOT, else root's own cache, else the caller's."""
    if os.environ.get("SHIV_ROOT"):
        return os.environ["SHIV_ROOT"]
    if os.geteuid() == 0 and os.access("/var/cache", os.W_OK) and ours_alone("/var/cache/vetting"):
        return "/var/cache/vetting"
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "vetting")


def ours_alone(folder: str) -> bool:
    """Whether nobody else can have put something there: where the service is installed, it is its user's folder."""
    try:
        return os.lstat(folder).st_uid == os.geteuid()
    except OSError:
        return True


def unpack(archive: str, target: str) -> None:
    """Let shiv unpack: behind its lock, into a side folder, then renamed, so that nobody meets half of it."""
    import zipfile
    from pathlib import Path

    from _bootstrap import extract_site_packages  # type: ignore[import-not-found]

    try:
        with zipfile.ZipFile(archive) as opened:
            extract_site_packages(opened, Path(target), os.environ.get("SHIV_COMPILE_PYC") == "1")
    except OSError as error:
        why = error.strerror or error
        sys.exit(f"vetting: cannot unpack into {target}: {why}; SHIV_ROOT=FOLDER names another folder with 80 MB free")


def enter() -> None:
    """Start, or say in one sentence why not."""
    if not FIRST <= sys.version_info[:2] <= LAST or os.uname().machine != "x86_64":
        found = f"Python {sys.version_info[0]}.{sys.version_info[1]} on {os.uname().machine}"
        sys.exit(f"vetting: this is {found}; run it with Python 3.11, 3.12 or 3.13 on x86_64")
    root = os.environ["SHIV_ROOT"] = cache()
    if any(name in os.environ for name in SHIVS_OWN):
        import _bootstrap

        sys.exit(_bootstrap.bootstrap())
    archive = os.path.realpath(sys.argv[0])
    target = os.path.join(root, f"{os.path.basename(archive)}_{BUILD_ID}")
    packages = os.path.join(target, "site-packages")
    if not os.path.isdir(packages):
        unpack(archive, target)
    # After the standard library, before whatever the distribution has installed.
    installed = (at for at, path in enumerate(sys.path) if path.endswith(("site-packages", "dist-packages")))
    sys.path.insert(next(installed, len(sys.path)), packages)
    from vetting.cli import main

    sys.exit(main())


enter()
