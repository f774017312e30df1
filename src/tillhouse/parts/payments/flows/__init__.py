"""Use cases of payments that span the network: intent committed, provider called, outcome committed.

Each may be stopped between any two lines and run again.
"""
