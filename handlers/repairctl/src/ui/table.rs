//! Prints tables. Columns are aligned on a terminal. In a pipe, tabs separate the cells.

use std::io::{Write, stderr};

use plugin_kit::{Out, clean};

use super::tone::Tone;

/// The maximum width of a column, in characters. This keeps the other columns on the screen when a
/// name is long.
const WIDEST: usize = 60;

/// A table with headings. Control characters are removed from the text of each cell. A long table
/// is written in parts, each with the rows that were added since the previous part.
#[derive(Debug)]
pub struct Table {
    headings: Vec<&'static str>,
    /// The rows that have not been written yet.
    rows: Vec<Vec<Cell>>,
    /// The width of each column, in characters. Widths never shrink.
    widths: Vec<usize>,
    /// Whether the headings have been written.
    is_begun: bool,
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
        Table {
            headings: headings.to_vec(),
            rows: Vec::new(),
            widths: headings.map(|text| text.chars().count()).to_vec(),
            is_begun: false,
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.text.chars().count().min(WIDEST));
        }
        self.rows.push(cells.to_vec());
    }

    /// Writes the rest of the table. If the table has no rows at all, passes `nothing` to
    /// [`state_empty`] instead.
    pub fn write_or(&mut self, nothing: &str, out: &mut Out) {
        let is_empty = self.rows.is_empty() && !self.is_begun;
        if !is_empty || !out.is_terminal() {
            self.write(out);
        }
        if is_empty {
            state_empty(nothing, out.is_terminal(), out);
        }
    }

    /// Writes the rows that were added since the last call. The first call writes the headings
    /// before them. Columns are aligned on a terminal and separated by tabs otherwise.
    pub fn write(&mut self, out: &mut Out) {
        let rows = std::mem::take(&mut self.rows);
        if !self.is_begun {
            self.is_begun = true;
            let headings = self.headings.iter().map(|text| Cell::toned(text, Tone::Faint));
            self.write_row(&headings.collect::<Vec<_>>(), out);
        }
        rows.iter().for_each(|row| self.write_row(row, out));
    }

    fn write_row(&self, row: &[Cell], out: &mut Out) {
        if !out.is_terminal() {
            let texts: Vec<&str> = row.iter().map(|cell| cell.text.as_str()).collect();
            return out.line(texts.join("\t"));
        }
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(&self.widths).enumerate() {
            let is_last = at + 1 == row.len();
            let length = cell.text.chars().count();
            let pad = if is_last { 0 } else { width.saturating_sub(length) + 2 };
            line.push_str(&cell.paint(out));
            line.push_str(&" ".repeat(pad));
        }
        out.line(line);
    }
}

/// Writes `nothing`, a sentence that reports that there are no results. If a person reads the
/// output, the sentence goes to standard output. If a program reads it, the sentence goes to
/// standard error.
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
        assert_eq!(table.widths, [WIDEST, 6]);
    }
}
