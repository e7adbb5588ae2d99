//! What cannot be asked: one line, status 2.

use anyhow::{Result, ensure};
use netobs_tests::netobs::binary;

use crate::support::{ended_with, said};

#[test]
fn usage_errors_are_one_line() -> Result<()> {
    for (args, words) in [
        (&["dns"][..], "no name"),
        (&["dns", "a..b"], "a..b"),
        (&["dns", "a.example", "+nosuch"], "+nosuch"),
        (&["dns", "a.example", "@127.0.0.1:99999"], "99999"),
        (&["dns", "a.example", "-t", "NONSENSE"], "NONSENSE"),
        (&["dns", "a.example", "--netns", "nosuch"], "nosuch"),
        (
            &[
                "dns",
                "a.example",
                "@127.0.0.1",
                "--ca",
                "/nonexistent",
                "--tls",
            ],
            "/nonexistent",
        ),
        (&["tls", "127.0.0.1:0"], "127.0.0.1:0"),
        (&["tls", "127.0.0.1:70000"], "70000"),
        (&["tls", "1.2.3.256"], "1.2.3.256"),
        (&["tls", "fe80::1%nosuch0"], "nosuch0"),
        (&["tls", "127.0.0.1", "--ca", "/dev/null"], "/dev/null"),
        (&["http", "ftp://a.example/"], "ftp"),
        (
            &["http", "http://127.0.0.1/", "-H", "no header"],
            "no header",
        ),
        (&["http", "http://127.0.0.1/", "--resolve", "x"], "x"),
        (&["http", "http://127.0.0.1/", "-X", "G ET"], "G ET"),
    ] {
        let output = binary::run(args)?;
        ended_with(&output, 2)?;
        let text = said(&output);
        ensure!(text.contains(words), "{args:?}: {text}");
        ensure!(text.trim_end().lines().count() == 1, "{args:?}: {text}");
    }
    Ok(())
}
