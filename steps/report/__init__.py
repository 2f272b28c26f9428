"""One HTML page that shows what a recipe found."""
