"""Networks: what a library has comes from the library, what none has is written here, one file a paper."""
