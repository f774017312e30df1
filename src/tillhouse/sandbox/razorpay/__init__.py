"""Razorpay (payments) and RazorpayX (payouts), from razorpay/markdown-docs as of April 2026."""
