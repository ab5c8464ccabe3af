"""WHAT CAN BE SAID TO US: one file a verb.

Each offers `add_arguments(parser)`, `main(args) -> exit status` and `EXAMPLE`, the command line that ends its help.
A new verb is one file here and one line in `vetting.cli.VERBS`.
"""
