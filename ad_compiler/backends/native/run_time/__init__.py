"""What compiled code calls: native modules import it."""
