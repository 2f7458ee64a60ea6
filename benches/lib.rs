//! This package consists of its `[[bench]]` targets and has no library code.
