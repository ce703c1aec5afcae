"""Pictures: known data sets, folders, splits and shards, and the originals that are made of them."""
