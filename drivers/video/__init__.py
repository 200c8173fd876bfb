"""Video: frames, capture, comparison and JPEG encoding."""
