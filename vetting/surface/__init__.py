"""The surface test of one disk: a program of its own, run by the agent as `vetting surface`.

It writes every byte, then verifies every byte, and it holds the disk-safety lines that stand right before the first
write, on the descriptor that the write will use. One process a disk: killable, resumable, its output kept as evidence.
"""
