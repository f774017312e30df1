"""Omise (Opn Payments, Thailand) at the root of the server: its SDKs drop any prefix of their base address.

From docs.omise.co and the official `omise` 0.16.0. Where the documentation is silent, a comment says what was chosen.
"""
