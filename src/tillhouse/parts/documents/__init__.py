"""What the house prints: PDF and QR codes."""
