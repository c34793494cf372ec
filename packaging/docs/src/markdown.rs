//! Converts Markdown to manual pages. People also read the Markdown files in packaging/docs
//! directly.

use clap_mangen::roff::{Inline, Roff, bold, roman};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Appends a document to a page that already has its title line. The first heading of the document
/// has the form `NAME - DESCRIPTION`.
pub fn render(roff: &mut Roff, document: &str) {
    let mut renderer = Renderer::default();
    for event in Parser::new_ext(document, Options::ENABLE_TABLES) {
        renderer.add(roff, event);
    }
}

/// The state while a document is being converted to a page.
#[derive(Default)]
struct Renderer {
    /// Text that has not been written yet.
    text: Vec<Inline>,
    is_bold: bool,
    in_code: bool,
    list_depth: usize,
    /// Whether a list item has begun but none of its text has been written yet.
    item_begins: bool,
    /// Complete cells of the current table row.
    cells: Vec<Vec<Inline>>,
    /// Column titles of the current table.
    titles: Vec<String>,
}

impl Renderer {
    fn add(&mut self, roff: &mut Roff, event: Event) {
        match event {
            Event::Start(tag) => self.start(roff, &tag),
            Event::End(tag) => self.end(roff, tag),
            Event::Text(text) if self.in_code => {
                for line in text.lines() {
                    roff.text([roman(line)]);
                }
            }
            Event::Text(text) if self.is_bold => self.text.push(bold(&*text)),
            Event::Text(text) => self.text.push(roman(&*text)),
            Event::Code(text) => self.text.push(bold(&*text)),
            Event::SoftBreak | Event::HardBreak => self.text.push(roman(" ")),
            _ => {}
        }
    }

    fn start(&mut self, roff: &mut Roff, tag: &Tag) {
        match tag {
            Tag::Paragraph => self.begin_block(roff),
            Tag::List(_) => self.list_depth += 1,
            Tag::Item => {
                roff.control("IP", ["\\(bu", "2"]);
                self.item_begins = true;
            }
            Tag::CodeBlock(_) => {
                self.write(roff);
                self.in_code = true;
                roff.control("PP", []);
                roff.control("RS", ["4"]);
                roff.control("nf", []);
            }
            Tag::Strong | Tag::Emphasis => self.is_bold = true,
            _ => {}
        }
    }

    /// Begins a paragraph. Indents it inside a list item.
    fn begin_block(&mut self, roff: &mut Roff) {
        match (self.list_depth, self.item_begins) {
            (0, _) => drop(roff.control("PP", [])),
            (_, true) => self.item_begins = false,
            (_, false) => drop(roff.control("IP", ["\"\"", "2"])),
        }
    }

    fn end(&mut self, roff: &mut Roff, tag: TagEnd) {
        match tag {
            TagEnd::Heading(HeadingLevel::H1) => {
                roff.control("SH", ["NAME"]);
                self.write(roff);
                roff.control("SH", ["DESCRIPTION"]);
            }
            TagEnd::Heading(_) => {
                let title = plain(&std::mem::take(&mut self.text)).to_uppercase();
                roff.control("SH", [title.as_str()]);
            }
            TagEnd::Paragraph | TagEnd::Item => self.write(roff),
            TagEnd::List(_) => self.list_depth -= 1,
            TagEnd::CodeBlock => {
                self.in_code = false;
                roff.control("fi", []);
                roff.control("RE", []);
            }
            TagEnd::Strong | TagEnd::Emphasis => self.is_bold = false,
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.text)),
            TagEnd::TableHead => {
                self.titles = self.cells.drain(..).map(|cell| plain(&cell)).collect();
            }
            TagEnd::TableRow => self.row(roff),
            _ => {}
        }
    }

    /// Writes a table row as a definition. The first cell is the term, the last cell is the
    /// explanation, and the cells between them follow the term in brackets.
    fn row(&mut self, roff: &mut Roff) {
        let mut cells = std::mem::take(&mut self.cells);
        let about = cells.pop().unwrap_or_default();
        let mut titled = self.titles.iter().zip(cells);
        let Some((_, mut term)) = titled.next() else { return };
        for (title, cell) in titled.filter(|(_, cell)| !cell.is_empty()) {
            term.push(roman(format!(" [{title}: {}]", plain(&cell))));
        }
        roff.control("TP", []);
        roff.text(term);
        roff.text(about);
    }

    fn write(&mut self, roff: &mut Roff) {
        if !self.text.is_empty() {
            roff.text(std::mem::take(&mut self.text));
        }
    }
}

/// Returns the text without its font changes.
fn plain(text: &[Inline]) -> String {
    let words = text.iter().map(|part| match part {
        Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text.as_str(),
        Inline::LineBreak => " ",
    });
    words.collect()
}
