"""Pushes: Google's FCM with its token endpoint, and a browser's push service that reads what it is handed."""
