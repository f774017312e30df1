"""What ai asks to be done later."""
