//! What a person sees and writes: tables, colours, JSON, times, questions.

pub mod json;
pub mod question;
pub mod table;
pub mod time;
pub mod tone;
