"""What ai asks of the outside, a file per port."""
