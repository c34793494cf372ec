//! Draws the shapes of the charts as SVG.

use std::fmt::Write;

/// A chart. All coordinates are CSS pixels from the upper left corner.
pub struct Chart {
    width: f64,
    height: f64,
    name: String,
    about: String,
    shapes: String,
}

/// The position of a string relative to its coordinates (SVG's `text-anchor`).
#[derive(Clone, Copy)]
pub enum Anchor {
    /// The string starts at the coordinates.
    Start,
    /// The string is centred on the coordinates.
    Middle,
    /// The string ends at the coordinates.
    End,
}

impl Anchor {
    fn as_str(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

impl Chart {
    /// Creates an empty chart. `name` and `about` are for screen readers. Both are HTML, so the
    /// caller must have escaped them.
    pub fn new(width: f64, height: f64, name: &str, about: &str) -> Chart {
        let (name, about) = (name.to_owned(), about.to_owned());
        Chart { width, height, name, about, shapes: String::new() }
    }

    /// Draws a filled rectangle. The browser shows `title`, which is HTML, when the mouse pointer
    /// is over it.
    pub fn bar(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64, title: &str) {
        let _ = writeln!(
            self.shapes,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"><title>{title}</title></rect>"
        );
    }

    /// Draws a straight line between two points.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = writeln!(
            self.shapes,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// Draws a dot. The browser shows `title`, which is HTML, when the mouse pointer is over it.
    pub fn dot(&mut self, class: &str, x: f64, y: f64, radius: f64, title: &str) {
        let _ = writeln!(
            self.shapes,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\">\
             <title>{title}</title></circle>"
        );
    }

    /// Writes `text`, which is HTML that the caller must have escaped.
    pub fn text(&mut self, class: &str, anchor: Anchor, x: f64, y: f64, text: &str) {
        let anchor = anchor.as_str();
        let _ = writeln!(
            self.shapes,
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">\
             {text}</text>"
        );
    }

    /// Returns the chart as HTML. `caption` is HTML as well. On a narrow screen the reader can
    /// scroll the chart sideways, even with the keyboard alone.
    pub fn figure(self, caption: &str) -> String {
        let Chart { width, height, name, about, shapes } = self;
        format!(
            "<figure>\n<figcaption>{caption}</figcaption>\n\
             <div class=\"chart\" role=\"group\" tabindex=\"0\" aria-label=\"{name}\">\n\
             <svg role=\"img\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\
             <title>{name}</title><desc>{about}</desc>\n{shapes}</svg>\n</div>\n</figure>\n"
        )
    }
}

/// Returns about five round numbers for an axis, from 0 to `most` or slightly more.
pub fn ticks(most: u32) -> Vec<u32> {
    let steps = (0..9).flat_map(|power| [1, 2, 5].map(|n| n * 10_u32.pow(power)));
    let step = steps.into_iter().find(|step| most.div_ceil(*step) <= 4).unwrap_or(u32::MAX);
    (0..=most.div_ceil(step)).map(|n| n.saturating_mul(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_axes_with_few_round_numbers() {
        assert_eq!(ticks(1), [0, 1]);
        assert_eq!(ticks(7), [0, 2, 4, 6, 8]);
        assert_eq!(ticks(198), [0, 50, 100, 150, 200]);
        assert_eq!(ticks(0), [0]);
        assert!(ticks(u32::MAX).len() <= 6);
    }
}
