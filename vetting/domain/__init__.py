"""WHAT IS TRUE: values and rules. No input or output, no clock, no asyncio, no database."""
