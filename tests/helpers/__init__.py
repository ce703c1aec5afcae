"""What tests need that is more than a fixture."""
