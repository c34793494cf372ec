//! Formats the result as an HTML link (-L).

use crate::spec::CheckSpec;

/// If -L is given, turns `line` into a link to the first URL that the check requested.
pub fn linked(spec: &CheckSpec, line: String) -> String {
    if spec.output.link {
        format!("<A HREF=\"{}\" target=\"_blank\">{line}</A>", spec.target.display_url())
    } else {
        line
    }
}
