//! The code in the repository's documents, as documentation tests.
//!
//! `cargo test -p anocm-doctests --doc` compiles and runs it.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../embedding.md")]
struct Embedding;
