//! The summary netobs prints at its end, as text table or as JSON, read back.
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One hook's line.
#[expect(clippy::struct_field_names, reason = "the keys are netobs's")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    pub collector: String,
    pub hook: String,
    /// `None`: not attached.
    pub rung: Option<String>,
    pub seen: u64,
    pub lost: u64,
    /// Mean run time of the program, nanoseconds; none when it never ran or was not measured.
    pub run_ns: Option<f64>,
}

/// From the last line of `--json` output.
pub fn from_json(line: &str) -> Result<Vec<Hook>> {
    #[derive(Deserialize)]
    struct Summary {
        hooks: Vec<Hook>,
    }
    let summary: Summary = serde_json::from_str(line).context("the last line is no summary")?;
    Ok(summary.hooks)
}

/// From the text table on stderr: the header names the columns, so their order and the frame do not matter.
pub fn from_text(stderr: &str) -> Result<Vec<Hook>> {
    let mut lines = stderr.lines().map(|line| cells(&line.to_lowercase()));
    let header = lines
        .find(|row| {
            ["hook", "seen", "lost"]
                .iter()
                .all(|name| row.iter().any(|cell| cell == name))
        })
        .context("no summary table on stderr: no line names hook, seen and lost")?;
    let column = |row: &[String], name: &str| -> Option<String> {
        row.get(header.iter().position(|cell| cell == name)?)
            .cloned()
    };
    let hook = |row: Vec<String>| -> Option<Hook> {
        Some(Hook {
            collector: column(&row, "collector").unwrap_or_default(),
            hook: column(&row, "hook")?,
            rung: column(&row, "rung"),
            seen: number(&column(&row, "seen")?)?,
            lost: number(&column(&row, "lost")?)?,
            run_ns: column(&row, "run_ns").and_then(|cell| cell.parse().ok()),
        })
    };
    Ok(lines
        .filter(|row| row.len() == header.len())
        .filter_map(hook)
        .collect())
}

/// Words of a row without the frame; `-` stands for an empty cell, so the columns stay aligned.
fn cells(line: &str) -> Vec<String> {
    let frame = |c: char| c.is_whitespace() || matches!(c, '|' | '│' | '┆' | '║');
    line.split(frame)
        .filter(|cell| !cell.is_empty())
        .map(str::to_owned)
        .collect()
}

fn number(cell: &str) -> Option<u64> {
    cell.replace([',', '_'], "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Hook, from_json, from_text};

    fn close() -> Hook {
        Hook {
            collector: "socket".into(),
            hook: "inet_sock_set_state".into(),
            rung: Some("tp_btf".into()),
            seen: 1200,
            lost: 3,
            run_ns: Some(310.0),
        }
    }

    #[test]
    fn a_plain_table_and_a_framed_one_read_the_same() {
        let plain = "netobs: watching close\n\
            collector hook rung seen lost run_ns cpu_pct\n\
            socket inet_sock_set_state tp_btf 1200 3 310 0.4\n\
            bye\n";
        let framed = "│ collector │ hook │ rung │ seen │ lost │ run_ns │ cpu_pct │\n\
            ├────┼────┼────┼────┼────┼────┼────┤\n\
            │ socket │ inet_sock_set_state │ tp_btf │ 1,200 │ 3 │ 310 │ 0.4 │\n";
        assert_eq!(from_text(plain).unwrap(), [close()]);
        assert_eq!(from_text(framed).unwrap(), [close()]);
    }

    #[test]
    fn no_table_is_an_error() {
        assert!(from_text("netobs: watching close\n").is_err());
    }

    #[test]
    fn json_with_and_without_a_run_time() {
        let line = r#"{"event":"summary","hooks":[
            {"collector":"socket","hook":"inet_sock_set_state","rung":"tp_btf","seen":1200,"lost":3,"run_ns":310,"cpu_pct":0.4},
            {"collector":"drop","hook":"kfree_skb","rung":"tp_btf","seen":0,"lost":0,"run_ns":null,"cpu_pct":null}]}"#;
        let hooks = from_json(line).unwrap();
        assert_eq!(hooks[0], close());
        assert_eq!(hooks[1].run_ns, None);
    }
}
