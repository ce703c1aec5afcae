"""QEBench: a benchmark and reproducibility suite for quality enhancement of compressed images."""
