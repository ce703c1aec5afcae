"""What a network costs: parameters, multiply-accumulates, milliseconds, and the machine they were measured on."""
