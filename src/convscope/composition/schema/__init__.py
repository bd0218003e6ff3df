"""JSON schemas of the files of ``conf/``, for editors that complete and check keys."""
