"""Stripe: payments, Checkout, refunds, disputes, balance, payouts and Connect, API version 2026-10-28.endive."""
