//! Tables. Columns are aligned on a terminal. In a pipe, tabs separate the cells.

use std::io::{Write, stderr};

use plugin_kit::{Out, clean};

use super::tone::Tone;

/// The maximum width of a column, in characters. The limit keeps the other columns on the screen
/// when a name is long.
const WIDEST: usize = 60;

/// A table with headings. The cells contain no control characters; see [`Cell`].
#[derive(Debug)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A cell's text, without control characters, and its colour on a terminal.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Creates a cell with a colour.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Cell {
        Cell { text: clean(text.as_ref()), tone }
    }

    /// Returns the text of the cell, coloured if `out` supports colours.
    pub fn paint(&self, out: &Out) -> String {
        self.tone.paint(&self.text, out)
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::toned(text, Tone::Plain)
    }
}

impl Table {
    /// Creates a table without rows.
    pub fn new<const N: usize>(headings: [&'static str; N]) -> Table {
        Table { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Writes the table. If it has no rows, writes the sentence `nothing` with [`state_empty`].
    pub fn write_or(&self, nothing: &str, out: &mut Out) {
        if !self.rows.is_empty() || !out.is_terminal() {
            self.write(out);
        }
        if self.rows.is_empty() {
            state_empty(nothing, out.is_terminal(), out);
        }
    }

    /// Writes the headings and the rows, in columns on a terminal and with tabs otherwise.
    pub fn write(&self, out: &mut Out) {
        if !out.is_terminal() {
            out.line(self.headings.join("\t"));
            for row in &self.rows {
                out.line(row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join("\t"));
            }
            return;
        }
        let widths = self.widths();
        let headings: Vec<Cell> =
            self.headings.iter().map(|text| Cell::toned(text, Tone::Faint)).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let last = at + 1 == row.len();
                let pad =
                    if last { 0 } else { width.saturating_sub(cell.text.chars().count()) + 2 };
                line.push_str(&cell.paint(out));
                line.push_str(&" ".repeat(pad));
            }
            out.line(line);
        }
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> =
            self.headings.iter().map(|text| text.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count().min(WIDEST));
            }
        }
        widths
    }
}

/// Writes the sentence `nothing`, which states that there are no results. It goes to standard
/// output if a person reads the output, and to standard error if a program does.
pub fn state_empty(nothing: &str, is_for_people: bool, out: &mut Out) {
    if is_for_people {
        return out.line(nothing);
    }
    out.flush();
    let _ = writeln!(stderr(), "repairctl: {nothing}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_the_width_of_a_column() {
        let mut table = Table::new(["OBJECT", "REPAIR"]);
        table.row(["web1".into(), "httpd".into()]);
        table.row(["x".repeat(3000).into(), "httpd".into()]);
        assert_eq!(table.widths(), [WIDEST, 6]);
    }
}
