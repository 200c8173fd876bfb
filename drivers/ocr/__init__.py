"""Text recognition: the Tesseract program, and pictures made ready for it."""
