"""PEOPLE SPEAK TO US: the operator's console; one file a page or action, all routes in one list."""
