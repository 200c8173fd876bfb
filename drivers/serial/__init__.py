"""Serial ports as Trio streams, and the input devices that are driven over them."""
