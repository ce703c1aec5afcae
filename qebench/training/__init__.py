"""Training: pairs, recipes, the loop, its state and journal, and the weights that come out."""
