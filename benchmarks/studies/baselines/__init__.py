"""What a plain implementation does, kept to measure ours against: right, readable, slow."""
