"""What a network costs: parameters, multiply-accumulates, milliseconds, and the machine they were measured on."""

BUSY = 0.1  # cores: what others may take before times count as disturbed
