"""What only the target sees: one view, whatever plays the target. For the suite in board-tests."""
