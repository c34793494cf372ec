//! Terminal input and output: tables, colours, JSON, times, questions.

pub mod json;
pub mod question;
pub mod table;
pub mod time;
pub mod tone;
