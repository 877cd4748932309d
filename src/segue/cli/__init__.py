"""The command ``segue``: reads arguments, wires the rooms together, prints for people or for programs."""
