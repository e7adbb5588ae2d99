//! What `netobs show` found, as tables and as JSON lines: one file per thing.

pub mod addr;
pub mod conntrack;
pub mod firewall;
pub mod host;
pub mod link;
pub mod neigh;
pub mod route;
pub mod rules;

use super::table::Table;
use serde::Serialize;

/// One row of an answer.
pub trait Row: Serialize {
    /// Its name in JSON: the key `show`.
    const KIND: &'static str;
    const HEAD: &'static [&'static str];
    /// Columns that a narrow terminal does without, the first first.
    const YIELDING: &'static [&'static str] = &[];

    /// The row as cells under [`Row::HEAD`].
    fn cells(&self) -> Vec<String>;
}

/// A table of rows; nothing at all when there are none.
pub fn table<'a, R: Row + 'a>(
    rows: impl IntoIterator<Item = &'a R>,
    width: Option<usize>,
) -> String {
    let mut table = Table::new(R::HEAD).yielding(R::YIELDING);
    let mut empty = true;
    for row in rows {
        table.push(&row.cells());
        empty = false;
    }
    if empty {
        String::new()
    } else {
        table.render(width)
    }
}

#[derive(Serialize)]
struct Tagged<'a, R> {
    show: &'static str,
    netns: u32,
    #[serde(flatten)]
    row: &'a R,
}

/// Appends one JSON object and a newline.
pub fn json<R: Row>(into: &mut Vec<u8>, netns: u32, row: &R) {
    let tagged = Tagged {
        show: R::KIND,
        netns,
        row,
    };
    serde_json::to_writer(&mut *into, &tagged).expect("plain rows are JSON, and memory takes them");
    into.push(b'\n');
}
