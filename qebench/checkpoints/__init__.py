"""Weights as files: read without running code, matched to a network's form, converted, rounded, described on cards."""
