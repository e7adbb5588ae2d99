//! The terminal view of mtr: a table of hops with a picture of their latest round trips.

use crate::{
    event::Mono,
    probes::{
        names::Names,
        trace::rounds::{Hop, Rounds},
    },
    sinks::stream::SinkError,
    views::{
        probes::{
            beside_line,
            mtr::{TITLES, cells, change_line, sparkline, who},
        },
        table::escape,
        time::Clock,
    },
};
use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
    layout::{Constraint, Layout},
    style::{Style, Stylize as _},
    text::{Line, Text},
    widgets::{Cell, Row, Table},
};
use std::{
    io::{self, Stdout},
    time::Duration,
};

/// What a key asks for.
pub enum Key {
    Quit,
    Reset,
    Pause,
}

/// Drawn at most this often.
const PACE_NS: u64 = 100_000_000;

/// The terminal, ours until dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    drawn: Option<Mono>,
}

/// What is drawn.
pub struct Page<'a> {
    pub rounds: &'a Rounds,
    pub host: &'a str,
    pub engine: &'static str,
    pub clock: &'a mut Clock,
}

impl Screen {
    pub fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(Self {
            terminal: Terminal::new(CrosstermBackend::new(io::stdout()))?,
            drawn: None,
        })
    }

    /// The next look is drawn whatever the pace.
    pub fn forget(&mut self) {
        self.drawn = None;
    }

    pub fn draw(
        &mut self,
        page: &mut Page<'_>,
        names: &mut Names,
        now: Mono,
    ) -> Result<(), SinkError> {
        if self.drawn.is_some_and(|drawn| now.0 < drawn.0 + PACE_NS) {
            return Ok(());
        }
        self.drawn = Some(now);
        self.terminal.draw(|frame| draw(frame, page, names))?;
        Ok(())
    }

    /// The key that was pressed, if it means something.
    pub fn key() -> Result<Option<Key>, SinkError> {
        while poll(Duration::ZERO)? {
            let Event::Key(key) = read()? else {
                continue;
            };
            if key.kind != KeyEventKind::Press {
                continue;
            }
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            let KeyCode::Char(letter) = key.code else {
                continue;
            };
            match letter {
                'c' if control => return Ok(Some(Key::Quit)),
                'q' => return Ok(Some(Key::Quit)),
                'r' => return Ok(Some(Key::Reset)),
                'p' | ' ' => return Ok(Some(Key::Pause)),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no giving back.
        drop(execute!(io::stdout(), LeaveAlternateScreen));
        drop(disable_raw_mode());
    }
}

/// Lines kept for route changes at the foot.
const CHANGES: usize = 3;

fn draw(frame: &mut Frame<'_>, page: &mut Page<'_>, names: &mut Names) {
    let changes: Vec<String> = page
        .rounds
        .changes
        .iter()
        .rev()
        .take(CHANGES)
        .map(|change| change_line(change, page.clock))
        .collect();
    let foot = u16::try_from(changes.len()).unwrap_or(0) + 1;
    let areas = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(1),
        Constraint::Length(foot),
    ])
    .split(frame.area());
    let state = if page.rounds.paused {
        "paused"
    } else {
        "running"
    };
    let title = format!(
        "netobs mtr to {} ({}), round {}, {state}, engine {}",
        escape(page.host),
        page.rounds.plan().target,
        page.rounds.rounds(),
        page.engine
    );
    let mut head = vec![Line::from(title).bold()];
    head.extend(beside_line(&page.rounds.beside).map(|line| Line::from(line).dim()));
    frame.render_widget(Text::from(head), areas[0]);
    frame.render_widget(table(page.rounds, names, areas[1].width), areas[1]);
    let mut lines: Vec<Line<'_>> = changes
        .into_iter()
        .map(|text| Line::from(text).yellow())
        .collect();
    lines.push(Line::from("q quit   p pause   r reset").dim());
    frame.render_widget(Text::from(lines), areas[2]);
}

fn table(rounds: &Rounds, names: &mut Names, width: u16) -> Table<'static> {
    let hosts: Vec<String> = rounds.hops().iter().map(|hop| who(hop, names)).collect();
    let longest = hosts
        .iter()
        .map(|host| host.chars().count())
        .max()
        .unwrap_or(0);
    let host_width = u16::try_from(longest)
        .unwrap_or(u16::MAX)
        .clamp(8, width / 3 + 8);
    // Hop number, eight figures of seven columns, and a space between each.
    let taken = 3 + 1 + host_width + 8 * 7 + 2;
    let picture = usize::from(width.saturating_sub(taken)).min(120);
    let rows = rounds
        .hops()
        .iter()
        .zip(hosts)
        .map(|(hop, host)| row(hop, host, picture));
    let mut widths = vec![Constraint::Length(3), Constraint::Length(host_width)];
    widths.extend([Constraint::Length(6); 8]);
    widths.push(Constraint::Length(u16::try_from(picture).unwrap_or(0)));
    let titles = ["", "Host"].into_iter().chain(TITLES).chain(["Latest"]);
    let head = titles.map(|title| {
        let figure = TITLES.contains(&title);
        Cell::from(if figure {
            format!("{title:>6}")
        } else {
            title.to_owned()
        })
    });
    Table::new(rows.collect::<Vec<_>>(), widths).header(Row::new(head).bold())
}

fn row(hop: &Hop, host: String, picture: usize) -> Row<'static> {
    let loss = if hop.rtts.count() == 0 {
        Style::new().dim()
    } else if hop.lost > 0 {
        Style::new().red()
    } else {
        Style::new()
    };
    let mut row = vec![Cell::from(format!("{:>2}.", hop.ttl)), Cell::from(host)];
    for (n, cell) in cells(hop).into_iter().enumerate() {
        let cell = Cell::from(format!("{cell:>6}"));
        row.push(if n == 0 { cell.style(loss) } else { cell });
    }
    row.push(Cell::from(sparkline(hop, picture)));
    let style = if hop.changes > 0 {
        Style::new().yellow()
    } else {
        Style::new()
    };
    Row::new(row).style(style)
}
