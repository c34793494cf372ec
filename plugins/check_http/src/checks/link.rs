//! Formats the result as an HTML link (-L).

use crate::spec::CheckSpec;

/// Turns `line` into a link to the first URL of the check if -L is given.
pub fn linked(spec: &CheckSpec, line: String) -> String {
    if spec.output.link {
        format!("<A HREF=\"{}\" target=\"_blank\">{line}</A>", spec.target.display_url())
    } else {
        line
    }
}
