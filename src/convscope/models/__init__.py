"""Networks: those of libraries are built by the library, those that no library has are written here, one per file."""
