"""A trained run put to use: loaded again, evaluated, explained."""
