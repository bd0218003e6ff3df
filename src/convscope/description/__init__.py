"""A network described: layer by layer as a table or as data, and all networks of the zoo side by side."""
