//! check_http beside the original, command line by command line: see `tests/against_the_original.rs`.
