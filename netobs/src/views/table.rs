//! Tables for people: as wide as the terminal, whole on a pipe; untrusted text is escaped.

use crate::line::Line;
use tabled::{
    builder::Builder,
    settings::{Padding, Style, Width, object::Columns, peaker::PriorityMax},
};

/// Narrower than this nothing is readable.
const NARROWEST: usize = 40;

/// Words longer than this may be cut: an IPv6 address with its prefix is no longer.
const LONGEST_WORD: usize = 44;
/// Between two columns.
const GAP: usize = 2;

/// Rows under a head; columns that are empty in all rows are left out.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Columns that make room where it is scarce, the first first.
    yielding: &'static [&'static str],
}

impl Table {
    pub fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
            yielding: &[],
        }
    }

    /// On a terminal that is too narrow to keep words whole these columns are left out, the first first.
    #[must_use]
    pub fn yielding(mut self, heads: &'static [&'static str]) -> Self {
        self.yielding = heads;
        self
    }

    /// Cells may hold what others wrote: what a terminal could act on is escaped here.
    pub fn push(&mut self, cells: &[String]) {
        self.rows
            .push(cells.iter().map(|cell| escape(cell)).collect());
    }

    /// `width` columns wide, cells wrapped between words; without a width every row is one line.
    pub fn render(self, width: Option<usize>) -> String {
        let used = (0..self.head.len()).filter(|column| {
            let cells = self.rows.iter().filter_map(|row| row.get(*column));
            cells.into_iter().any(|cell| !cell.is_empty())
        });
        let mut columns: Vec<Column> = used.map(|column| self.column(column)).collect();
        let mut gone = Vec::new();
        if let Some(width) = width {
            for head in self.yielding {
                if total(columns.iter().map(|c| c.least)) <= width.max(NARROWEST) {
                    break;
                }
                let before = columns.len();
                columns.retain(|column| self.head[column.place] != *head);
                if columns.len() < before {
                    gone.push(*head);
                }
            }
            fit(&mut columns, width.max(NARROWEST));
        }
        let mut builder = Builder::with_capacity(self.rows.len() + 1, columns.len());
        builder.push_record(columns.iter().map(|column| self.head[column.place]));
        for mut row in self.rows {
            builder.push_record(columns.iter().map(|c| std::mem::take(&mut row[c.place])));
        }
        let mut table = builder.build();
        table.with(Style::blank());
        table.modify(Columns::new(..), Padding::new(0, 1, 0, 0));
        if let Some(width) = width {
            for (n, column) in columns.iter().enumerate() {
                table.modify(Columns::one(n), Width::wrap(column.width).keep_words(true));
            }
            // The last cells have a blank behind them, which goes.
            let wrap = Width::wrap(width.max(NARROWEST) + 1).priority(PriorityMax::right());
            table.with(wrap.keep_words(true));
        }
        let mut text = String::new();
        for line in table.to_string().lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if !gone.is_empty() {
            text.push_str("left out for want of room, --json has them: ");
            text.push_str(&gone.join(" "));
            text.push('\n');
        }
        text
    }

    fn column(&self, place: usize) -> Column {
        let cells = self.rows.iter().filter_map(|row| row.get(place));
        let cells = cells.map(String::as_str).chain([self.head[place]]);
        let (mut width, mut least) = (0, 0);
        for cell in cells {
            width = width.max(cell.chars().count());
            let words = cell.split(' ').map(|word| word.chars().count());
            least = least.max(words.max().unwrap_or(0).min(LONGEST_WORD));
        }
        Column {
            place,
            width,
            least,
        }
    }
}

/// A column that is shown.
struct Column {
    place: usize,
    width: usize,
    /// With all words whole.
    least: usize,
}

fn total(widths: impl ExactSizeIterator<Item = usize>) -> usize {
    let gaps = widths.len().saturating_sub(1) * GAP;
    widths.sum::<usize>() + gaps
}

/// Takes from what can give most, a column at a time.
fn fit(columns: &mut [Column], width: usize) {
    while total(columns.iter().map(|c| c.width)) > width {
        let Some(widest) = columns
            .iter_mut()
            .filter(|column| column.width > column.least)
            .max_by_key(|column| column.width)
        else {
            return;
        };
        widest.width -= 1;
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

    #[test]
    fn words_stay_whole_and_columns_make_room() {
        let mut table =
            Table::new(&["ADDRESS", "STATE", "MORE", "AGE"]).yielding(&["AGE", "STATE"]);
        let cells = [
            "fe80::1234:5678:9abc:def0",
            "REACHABLE",
            "a few more words",
            "20s",
        ];
        table.push(&cells.map(str::to_owned));
        let text = table.render(Some(42));
        assert!(text.contains("fe80::1234:5678:9abc:def0  "), "{text}");
        assert!(
            !text.contains("20s") && !text.contains("REACHABLE"),
            "{text}"
        );
        assert!(text.ends_with(": AGE STATE\n"), "{text}");
        let table = text.lines().filter(|line| !line.starts_with("left out"));
        assert!(
            table.into_iter().all(|line| line.chars().count() <= 42),
            "{text}"
        );
    }
}
