"""What is measured on pictures, and what tables and figures ask of the measurements."""
