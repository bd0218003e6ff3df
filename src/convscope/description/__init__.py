"""Descriptions of a network, layer by layer, as a table or as data; and the table of the model zoo."""
