"""What codecs share, and running one codec over a folder of pictures."""
