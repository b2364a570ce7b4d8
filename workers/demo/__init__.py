"""Demonstrations that start a whole cluster of their own: `coord demo --help`."""
