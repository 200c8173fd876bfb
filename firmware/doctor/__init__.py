"""`farhand doctor`: looks at the board it runs on and says, line by line, what works and what to do."""
