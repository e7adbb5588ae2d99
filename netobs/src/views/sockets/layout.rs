//! Cells under each other: widths come from the first rows, and rows after them stream.

/// Rows that are held back to measure columns.
const MEASURED: usize = 1000;
/// And no more bytes than this: a path or a command line may be long.
const HELD: usize = 256 * 1024;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
    /// Left, joined to the cell before it.
    Joined,
}

/// Rows of cells on their way to the output.
pub struct Layout {
    aligns: Vec<Align>,
    widths: Vec<usize>,
    /// Cells of rows that wait for the widths: their bytes, and where each ends.
    held: Vec<u8>,
    ends: Vec<usize>,
    rows: usize,
    measuring: bool,
    /// Columns of the screen, if lines go to one.
    screen: Option<usize>,
    /// The longest end of a line.
    rest: usize,
    /// Spaces between cells.
    gap: usize,
    /// Lines ready to be written.
    pub out: Vec<u8>,
}

impl Layout {
    pub fn new(columns: impl IntoIterator<Item = (Align, usize)>) -> Self {
        let (aligns, widths): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        Self {
            aligns,
            widths,
            held: Vec::new(),
            ends: Vec::new(),
            rows: 0,
            measuring: true,
            screen: None,
            rest: 0,
            gap: 1,
            out: Vec::new(),
        }
    }

    /// Lines go to a screen of so many columns: what room they leave is spread between the cells, as ss does.
    pub fn stretch(&mut self, screen: Option<usize>) {
        self.screen = screen;
    }

    /// Writes one row: `bytes` has all its cells without space between them, `ends` says where they end; what comes after the
    /// last end is the rest of the line, which is not aligned.
    #[inline]
    pub fn row(&mut self, bytes: &[u8], ends: &[usize]) {
        if !self.measuring {
            place(
                &mut self.out,
                (&self.aligns, &self.widths, self.gap),
                bytes,
                ends,
            );
            return;
        }
        let mut start = 0;
        for (width, end) in self.widths.iter_mut().zip(ends) {
            *width = (*width).max(width_of(&bytes[start..*end]));
            start = *end;
        }
        if self.screen.is_some() {
            let rest = bytes[start..].split(|byte| *byte == b'\n').next();
            self.rest = self.rest.max(rest.map_or(0, width_of));
        }
        let base = self.held.len();
        self.held.extend_from_slice(bytes);
        self.ends.extend(ends.iter().map(|end| base + end));
        self.ends.push(self.held.len());
        self.rows += 1;
        if self.rows >= MEASURED || self.held.len() >= HELD {
            self.release();
        }
    }

    /// Ends measuring: what was held is written.
    pub fn release(&mut self) {
        self.measuring = false;
        self.gap = self.spread();
        let ends = std::mem::take(&mut self.ends);
        let held = std::mem::take(&mut self.held);
        let mut start = 0;
        let mut own = Vec::new();
        for row in ends.chunks_exact(self.aligns.len() + 1) {
            let Some((end, cells)) = row.split_last() else {
                continue;
            };
            own.clear();
            own.extend(cells.iter().map(|cell| cell - start));
            place(
                &mut self.out,
                (&self.aligns, &self.widths, self.gap),
                &held[start..*end],
                &own,
            );
            start = *end;
        }
    }

    /// Spaces between cells so that the longest line fills the screen.
    fn spread(&self) -> usize {
        let apart = self.aligns.iter().filter(|a| **a != Align::Joined).count();
        let cells: usize = self.widths.iter().sum();
        // One space each is there already; the rest begins with its own.
        let used = cells + apart.saturating_sub(1) + self.rest;
        let spare = self.screen.unwrap_or(0).saturating_sub(used);
        1 + spare / apart.max(1)
    }

    /// Measures anew: another look at the table begins.
    pub fn restart(&mut self) {
        self.release();
        self.measuring = true;
        (self.rows, self.rest) = (0, 0);
    }
}

/// Columns on the screen; the bytes of ASCII, which nearly all cells are.
fn width_of(cell: &[u8]) -> usize {
    if cell.is_ascii() {
        return cell.len();
    }
    String::from_utf8_lossy(cell).chars().count()
}

#[inline]
fn place(
    out: &mut Vec<u8>,
    (aligns, widths, gap): (&[Align], &[usize], usize),
    bytes: &[u8],
    ends: &[usize],
) {
    let (mut start, mut owed) = (0, 0);
    let begin = out.len();
    for ((align, width), end) in aligns.iter().zip(widths).zip(ends) {
        let cell = &bytes[start..*end];
        start = *end;
        let room = width.saturating_sub(width_of(cell));
        if *align != Align::Joined && out.len() > begin {
            owed += gap;
        }
        if *align == Align::Right {
            owed += room;
        }
        if !cell.is_empty() {
            out.resize(out.len() + owed, b' ');
            owed = 0;
            out.extend_from_slice(cell);
        }
        if *align != Align::Right {
            owed += room;
        }
    }
    let rest = &bytes[start..];
    if !rest.is_empty() && rest[0] != b'\n' {
        out.resize(out.len() + owed + gap - 1, b' ');
    }
    out.extend_from_slice(rest);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_under_each_other() {
        let mut layout = Layout::new([(Align::Left, 0), (Align::Right, 0), (Align::Joined, 0)]);
        for (text, ends) in [("ab10.0.0.1:80 rest", [2, 11, 13]), ("c*:*", [1, 3, 4])] {
            layout.row(text.as_bytes(), &ends);
        }
        assert!(layout.out.is_empty());
        layout.release();
        let text = String::from_utf8(layout.out.clone()).unwrap();
        assert_eq!(text, "ab 10.0.0.1:80 rest\nc         *:*\n");
    }

    #[test]
    fn room_on_the_screen_is_spread() {
        for (screen, line) in [
            (None, "ab 10.0.0.1:80 rest\n"),
            (Some(10), "ab 10.0.0.1:80 rest\n"),
            (Some(25), "ab    10.0.0.1:80    rest\n"),
        ] {
            let mut layout = Layout::new([(Align::Left, 0), (Align::Right, 0), (Align::Joined, 0)]);
            layout.stretch(screen);
            layout.row(b"ab10.0.0.1:80 rest\n\tmore", &[2, 11, 13]);
            layout.release();
            let text = String::from_utf8(layout.out.clone()).unwrap();
            assert_eq!(text, line.to_owned() + "\tmore\n", "{screen:?}");
        }
    }
}
