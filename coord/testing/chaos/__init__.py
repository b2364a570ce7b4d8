"""Real processes killed while clients write and watch; every promise checked at the end.

python -m coord.testing.chaos --seconds 60
"""
