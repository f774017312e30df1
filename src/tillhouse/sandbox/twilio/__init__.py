"""Twilio Programmable Messaging, API version 2010-04-01."""
