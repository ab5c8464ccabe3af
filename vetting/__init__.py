"""Vets a repaired or newly arrived server under load and answers with evidence."""

__version__ = "0.1.0"
