//! Cookies and the file that keeps them between runs.

pub mod cookie;
pub mod jar;
