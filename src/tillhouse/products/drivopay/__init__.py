"""DrivoPay: earnings, expenses and a wallet for people who drive and deliver for a living in India."""
