"""Image quality assessment without a reference: the IQAM score that decides early exit."""
