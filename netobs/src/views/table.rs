//! Tables for people: as wide as the terminal, whole on a pipe; untrusted text is escaped.

use crate::line::Line;
use tabled::{
    builder::Builder,
    settings::{Padding, Style, Width, object::Columns, peaker::PriorityMax},
};

/// Narrower than this nothing is readable.
const NARROWEST: usize = 40;

/// Rows under a head; columns that are empty in all rows are left out.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Cells may hold what others wrote: what a terminal could act on is escaped here.
    pub fn push(&mut self, cells: &[String]) {
        self.rows
            .push(cells.iter().map(|cell| escape(cell)).collect());
    }

    /// `width` columns wide, cells wrapped; without a width every row is one line.
    pub fn render(self, width: Option<usize>) -> String {
        let used: Vec<usize> = (0..self.head.len())
            .filter(|column| {
                self.rows
                    .iter()
                    .any(|row| row.get(*column).is_some_and(|c| !c.is_empty()))
            })
            .collect();
        let mut builder = Builder::with_capacity(self.rows.len() + 1, used.len());
        builder.push_record(used.iter().map(|column| self.head[*column]));
        for mut row in self.rows {
            builder.push_record(used.iter().map(|column| std::mem::take(&mut row[*column])));
        }
        let mut table = builder.build();
        table.with(Style::blank());
        table.modify(Columns::new(..), Padding::new(0, 1, 0, 0));
        if let Some(width) = width {
            let wrap = Width::wrap(width.max(NARROWEST)).priority(PriorityMax::right());
            table.with(wrap.keep_words(true));
        }
        let mut text = String::new();
        for line in table.to_string().lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Text from outside, made harmless for a terminal.
pub fn escape(text: &str) -> String {
    let mut line = Line::default();
    line.begin();
    line.escaped(text.as_bytes());
    String::from_utf8_lossy(line.as_bytes()).into_owned()
}

/// Columns of the terminal on standard output; a pipe or a file has none.
pub fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// `1.50K`: bytes for people.
pub fn bytes(n: u64) -> String {
    written(|line| _ = line.bytes(n))
}

/// `12s` `2m05s` `3h07m`.
pub fn seconds(s: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates; ages are positive"
    )]
    let ns = (s * 1e9) as u64;
    written(|line| _ = line.duration(ns / 10_000_000 * 10_000_000))
}

fn written(write: impl FnOnce(&mut Line)) -> String {
    let mut line = Line::default();
    line.begin();
    write(&mut line);
    String::from_utf8_lossy(line.as_bytes()).into_owned()
}

/// What is known, else nothing.
pub fn shown<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "NOTHING", "WORDS"]);
        table.push(&[
            "eth0".to_owned(),
            String::new(),
            "many words that go on and on for long".to_owned(),
        ]);
        table.push(&["\u{1b}[31m".to_owned(), String::new(), "x".to_owned()]);
        table
    }

    #[test]
    fn a_pipe_gets_whole_rows() {
        let text = table().render(None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(
            lines[1].ends_with("many words that go on and on for long"),
            "{text}"
        );
        assert!(
            !text.contains("NOTHING") && !text.contains('\u{1b}'),
            "{text}"
        );
    }

    #[test]
    fn a_terminal_gets_lines_that_fit() {
        let text = table().render(Some(40));
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
        assert!(text.contains("long"), "{text}");
    }
}
