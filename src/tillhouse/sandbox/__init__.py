"""The sandbox: the outside world, played at its real wire formats by a server of its own.

It shares no code with the adapters that call it: two readings of a provider's documentation must agree,
not one reading twice. Start at `app.create_sandbox`.
"""
