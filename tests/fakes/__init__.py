"""Fakes that speak recorded truth: a scripted world for stages, a scripted orchestrator for the agent."""
