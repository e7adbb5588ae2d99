//! The Debian mirror, read from the machine's apt configuration in both of its forms.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const SUITES: [&str; 8] = [
    "stable", "testing", "unstable", "sid", "bullseye", "bookworm", "trixie", "forky",
];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where Debian's archive is, as this machine knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Mirror {
    pub main: String,
    pub security: String,
    pub keyring: PathBuf,
}

/// One line or stanza of a sources file.
#[derive(Debug, Default)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<String>,
}

impl Mirror {
    /// Reads /etc/apt/sources.list and /etc/apt/sources.list.d.
    pub fn of_this_machine() -> Result<Self> {
        let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
        let mut parts: Vec<_> = fs::read_dir("/etc/apt/sources.list.d")
            .map(|dir| dir.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        parts.sort();
        files.append(&mut parts);
        let entries: Vec<_> = files.iter().flat_map(|file| parse_file(file)).collect();
        Self::among(&entries)
            .context("no Debian archive in /etc/apt/sources.list or /etc/apt/sources.list.d")
    }

    fn among(entries: &[Entry]) -> Option<Self> {
        let with = |suffix: &str| {
            entries.iter().find(|entry| {
                let wanted = |suite: &String| {
                    suite
                        .strip_suffix(suffix)
                        .is_some_and(|base| SUITES.contains(&base))
                };
                entry.components.iter().any(|name| name == "main")
                    && entry.suites.iter().any(wanted)
            })
        };
        let main = with("")?;
        let uri = main.uris.first()?.trim_end_matches('/').to_owned();
        let security = with("-security").and_then(|entry| entry.uris.first());
        let security = security.map_or_else(
            || format!("{uri}-security"),
            |uri| uri.trim_end_matches('/').to_owned(),
        );
        let keyring = main
            .signed_by
            .as_deref()
            .filter(|path| path.starts_with('/'))
            .unwrap_or(KEYRING);
        Some(Self {
            main: uri,
            security,
            keyring: keyring.into(),
        })
    }
}

fn parse_file(file: &Path) -> Vec<Entry> {
    let Ok(text) = fs::read_to_string(file) else {
        return Vec::new();
    };
    match file.extension().and_then(|ext| ext.to_str()) {
        Some("sources") => parse_deb822(&text),
        Some("list") => text.lines().filter_map(parse_line).collect(),
        _ => Vec::new(),
    }
}

/// `deb [options] URI SUITE COMPONENT...`
fn parse_line(line: &str) -> Option<Entry> {
    let mut rest = line
        .split('#')
        .next()?
        .trim()
        .strip_prefix("deb")?
        .strip_prefix([' ', '\t'])?
        .trim_start();
    let mut signed_by = None;
    if let Some(bracket) = rest.strip_prefix('[') {
        let (options, after) = bracket.split_once(']')?;
        signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned);
        rest = after;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Entry {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by,
    })
}

/// Stanzas of `Key: value`, parted by empty lines.
fn parse_deb822(text: &str) -> Vec<Entry> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines
        .split(|line| line.trim().is_empty())
        .filter_map(parse_stanza)
        .collect()
}

fn parse_stanza(lines: &[&str]) -> Option<Entry> {
    let field = |name: &str| {
        let mut inside = false;
        let mut words: Vec<String> = Vec::new();
        for line in lines {
            let value = if line.starts_with([' ', '\t']) {
                inside.then_some(*line)
            } else {
                let (key, value) = line.split_once(':')?;
                inside = key.eq_ignore_ascii_case(name);
                inside.then_some(value)
            };
            words.extend(
                value
                    .unwrap_or_default()
                    .split_whitespace()
                    .map(str::to_owned),
            );
        }
        Some(words)
    };
    let enabled = field("Enabled")?.first().is_none_or(|word| word != "no");
    let binary = field("Types")?.iter().any(|word| word == "deb");
    let entry = Entry {
        uris: field("URIs")?,
        suites: field("Suites")?,
        components: field("Components")?,
        signed_by: field("Signed-By")?.into_iter().next(),
    };
    (enabled && binary).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "Types: deb\nURIs: https://packages.example/apt\nSuites: nodistro\nComponents: main\n\n\
        Types: deb\n# comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
        Types: deb\nURIs: http://mirror.example/debian-security/\nSuites: bookworm-security\nComponents: main\n";

    #[test]
    fn deb822_names_main_and_security() {
        let mirror = Mirror::among(&parse_deb822(DEB822)).unwrap();
        assert_eq!(mirror.main, "http://mirror.example/debian");
        assert_eq!(mirror.security, "http://mirror.example/debian-security");
    }

    #[test]
    fn one_line_form_with_options() {
        let text = "# deb http://no.example/debian trixie main\n\
            deb https://other.example/linux/debian trixie stable\n\
            deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ trixie main contrib\n";
        let entries: Vec<_> = text.lines().filter_map(parse_line).collect();
        let mirror = Mirror::among(&entries).unwrap();
        assert_eq!(mirror.main, "http://mirror.example/debian");
        assert_eq!(mirror.security, "http://mirror.example/debian-security");
        assert_eq!(mirror.keyring, PathBuf::from("/k.gpg"));
    }

    #[test]
    fn disabled_and_source_stanzas_do_not_count() {
        let text = "Types: deb-src\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\n\n\
            Types: deb\nEnabled: no\nURIs: http://b.example/debian\nSuites: trixie\nComponents: main\n";
        assert_eq!(Mirror::among(&parse_deb822(text)), None);
    }
}
