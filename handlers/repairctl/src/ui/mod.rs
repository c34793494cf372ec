//! Output for the terminal and input from it: tables, colours, JSON, times, questions.

pub mod json;
pub mod question;
pub mod table;
pub mod time;
pub mod tone;
