"""`python -m vetting`: the same as the zipapp, from a checkout."""

from vetting.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
