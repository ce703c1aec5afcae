"""What every room uses: files, images, colour, plug-ins, provenance, typesetting. It knows nothing of the others."""
