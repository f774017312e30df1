"""Payments: money in through gateways, money out through payout gateways, each booked exactly once."""
