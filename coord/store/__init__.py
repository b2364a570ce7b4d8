"""What the log means: revisioned keys, leases, claims, watches, and writes done once.

Pure and deterministic: entries in, replies out (machine.py). docs/store.md tells the whole.
"""
