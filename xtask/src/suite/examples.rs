//! Whether the documentation of any source has an example that can be run.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Folders whose libraries are documented; labs have no examples.
const FOLDERS: [&str; 3] = ["netobs/src", "netobs-ebpf/src", "xtask/src"];

/// Looks for what rustdoc takes for an example, or might.
pub fn any(root: &Path) -> Result<bool> {
    for folder in FOLDERS {
        if below(&root.join(folder))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn below(folder: &Path) -> Result<bool> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let found = if path.is_dir() {
            below(&path)?
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            in_source(&fs::read_to_string(&path)?)
        } else {
            false
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A fence, or four spaces more than one; block comments and included files count as one that has some.
fn in_source(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let comment = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        if let Some(comment) = comment {
            let words = comment.trim_start();
            words.starts_with("```")
                || words.starts_with("~~~")
                || comment.starts_with("     ") && !words.is_empty()
                || comment.starts_with('\t')
        } else {
            let included = line.starts_with('#') && line.contains("doc = include_str!");
            included || line.starts_with("/**") || line.starts_with("/*!")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::in_source;

    #[test]
    fn fences_and_indented_lines_are_examples() {
        assert!(in_source(
            "fn a() {}\n/// ```\n/// a();\n/// ```\nfn b() {}"
        ));
        assert!(in_source("//! Words.\n//!\n//!     a();\n"));
        assert!(in_source("/** ``` */ fn a() {}"));
        assert!(in_source("#![doc = include_str!(\"../README.md\")]"));
        assert!(!in_source(
            "/// Words, `code`.\n// ``` no documentation\nfn a() {\n    let x = \"/// no\";\n}"
        ));
    }
}
