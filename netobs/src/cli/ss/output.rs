//! Where rows of sockets go: text, columns or JSON; at once, or in order when all are told.

use super::{
    End,
    args::Ss,
    order::{Key, Ranked, Ranking},
    request::Request,
};
use crate::{
    cli::{Failure, Status},
    clock,
    sinks::stream::Stdout,
    views::{
        sockets::{Columns, Shown, SocketNames, json, text::Text},
        table::terminal_width,
        time::Clock,
    },
    wall::Wall,
};

/// Bytes that are written at once.
const PORTION: usize = 64 * 1024;

enum Form {
    Text(Text),
    Columns(Columns),
    Json {
        out: Vec<u8>,
        ts: Vec<u8>,
        info: bool,
    },
}

pub struct Output {
    form: Form,
    order: Option<(Key, Ranking)>,
    selinux: bool,
    stdout: Stdout,
}

/// Chosen columns; an unknown one is a usage error.
pub fn columns(list: &str, header: bool) -> Result<Columns, Failure> {
    Columns::new(list, header).map_err(|text| Failure::new(Status::Usage, text))
}

impl Output {
    pub fn new(args: &Ss, request: &Request) -> Result<Self, Failure> {
        let mut form = if args.json {
            Form::Json {
                out: Vec::new(),
                ts: Vec::new(),
                info: request.want.info,
            }
        } else if let Some(list) = &args.columns {
            Form::Columns(columns(list, !args.no_header)?)
        } else {
            Form::Text(Text::new(request.options))
        };
        match &mut form {
            Form::Text(text) => text.layout.stretch(terminal_width()),
            Form::Columns(columns) => columns.layout.stretch(terminal_width()),
            Form::Json { .. } => {}
        }
        let sorted = args.sort.is_some() || args.top.is_some();
        let order = sorted.then(|| (args.sort.unwrap_or_default(), Ranking::new(args.top)));
        let selinux = args.context;
        if selinux && !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
            let text = "SELinux is not enabled here: leave out -Z";
            return Err(Failure::new(Status::Missing, text));
        }
        let mut output = Self {
            form,
            order,
            selinux,
            stdout: Stdout,
        };
        output.stamp();
        Ok(output)
    }

    /// The time of this look, for JSON.
    fn stamp(&mut self) {
        if let Form::Json { ts, .. } = &mut self.form {
            let mut clock = Clock::new(Wall::start(), jiff::tz::TimeZone::UTC);
            ts.clear();
            clock.push_utc(ts, clock::mono());
        }
    }

    #[inline]
    pub fn row(&mut self, shown: &Shown<'_>, names: &mut SocketNames) -> Result<(), End> {
        let key = match &self.order {
            Some((key, ranking)) => {
                let key = key.of(shown.row, shown.change);
                if !ranking.wants(key) {
                    return Ok(());
                }
                key
            }
            None => 0,
        };
        match &mut self.form {
            Form::Text(text) => {
                let selinux = self.selinux;
                text.render(shown, names, &|pid| context(selinux, pid));
                match &mut self.order {
                    Some((_, ranking)) => {
                        ranking.add(key, text.line(), text.ends()).map_err(kept)?;
                    }
                    None => text.push(),
                }
            }
            Form::Columns(columns) => {
                columns.render(shown, names);
                match &mut self.order {
                    Some((_, ranking)) => ranking
                        .add(key, columns.line(), columns.ends())
                        .map_err(kept)?,
                    None => columns.push(),
                }
            }
            Form::Json { out, ts, info } => {
                let before = out.len();
                json::write(out, ts, shown, names, *info);
                if let Some((_, ranking)) = &mut self.order {
                    ranking.add(key, &out[before..], &[]).map_err(kept)?;
                    out.truncate(before);
                }
            }
        }
        if self.pending().len() >= PORTION {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes these bytes instead of rows.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<(), End> {
        Ok(self.stdout.write(bytes)?)
    }

    /// A line beside the rows: what is gone, or a group.
    pub fn aside(&mut self, line: &[u8]) {
        let out = self.pending();
        out.extend_from_slice(line);
    }

    pub fn is_json(&self) -> bool {
        matches!(self.form, Form::Json { .. })
    }

    pub fn ts(&self) -> &[u8] {
        match &self.form {
            Form::Json { ts, .. } => ts,
            Form::Text(_) | Form::Columns(_) => b"",
        }
    }

    fn pending(&mut self) -> &mut Vec<u8> {
        match &mut self.form {
            Form::Text(text) => &mut text.layout.out,
            Form::Columns(columns) => &mut columns.layout.out,
            Form::Json { out, .. } => out,
        }
    }

    fn flush(&mut self) -> Result<(), End> {
        let bytes = std::mem::take(self.pending());
        self.stdout.write(&bytes)?;
        let out = self.pending();
        *out = bytes;
        out.clear();
        Ok(())
    }

    /// The table is told: what waited for its place or its width is written.
    pub fn finish(&mut self) -> Result<(), End> {
        if let Some((_, ranking)) = &mut self.order {
            for line in ranking.take() {
                self.ranked(&line.map_err(kept)?)?;
            }
        }
        match &mut self.form {
            Form::Text(text) => text.layout.release(),
            Form::Columns(columns) => columns.layout.release(),
            Form::Json { .. } => {}
        }
        self.flush()
    }

    fn ranked(&mut self, line: &Ranked) -> Result<(), End> {
        match &mut self.form {
            Form::Text(text) => text.layout.row(&line.bytes, &line.ends),
            Form::Columns(columns) => columns.layout.row(&line.bytes, &line.ends),
            Form::Json { out, .. } => out.extend_from_slice(&line.bytes),
        }
        if self.pending().len() >= PORTION {
            self.flush()?;
        }
        Ok(())
    }

    /// Another look begins; `heading` stands above it.
    pub fn restart(&mut self, heading: &str) {
        self.stamp();
        match &mut self.form {
            Form::Text(text) => {
                text.layout.restart();
                text.layout.out.extend_from_slice(heading.as_bytes());
                text.head();
            }
            Form::Columns(columns) => {
                columns.layout.restart();
                columns.layout.out.extend_from_slice(heading.as_bytes());
                columns.head();
            }
            Form::Json { .. } => {}
        }
    }
}

fn context(selinux: bool, pid: u32) -> Option<String> {
    if !selinux {
        return None;
    }
    let text = std::fs::read_to_string(format!("/proc/{pid}/attr/current"));
    let text = text.unwrap_or_else(|_| "unavailable".to_owned());
    Some(text.trim_end_matches(['\0', '\n']).to_owned())
}

/// Lines that wait for their place could not be kept, or had again.
#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn kept(error: std::io::Error) -> End {
    let text = format!(
        "keep lines for --sort in {}: {error}; use --top",
        std::env::temp_dir().display()
    );
    End::Failed(Failure::new(Status::Other, text))
}
