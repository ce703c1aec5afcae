"""What is measured: data sets, colour, metrics, complexity, latency, and the tables and figures made of them."""
