"""MACHINES SPEAK TO US: agents, reporters and the command line; one file a speaker, all routes in one list."""
