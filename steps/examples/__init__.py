"""What a subsystem sees of one fold: parts with inputs and labels, and the tasks that it learns."""
