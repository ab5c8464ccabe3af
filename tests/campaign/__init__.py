"""The seeded-fault campaign: every fault that `safety.md` lists is put into a virtual host, and must be caught by the stage that should.

`fault.py` is what a fault is, `faults/` holds the recipes, `proofs.py` those that other tests inject, `controls.py` the healthy hosts;
`bench.py` is what a recipe may do to a running host, `runner.py` runs them two at a time, `matrix.py` writes what came of it.
`./build.sh campaign` runs all of it and writes docs/fault-campaign.md.
"""
