//! A container that makes connections to its own loopback: the workload whose events must carry its name.
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::scratch;

/// Where its listener is.
pub const PORT: u16 = 47_821;

/// One connection, held until somebody else connects, which nobody does: the process is there for who looks at /proc, until its
/// container is removed.
const SOURCE: &str = r#"
use std::net::{TcpListener, TcpStream};
fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:PORT")?;
    let _client = TcpStream::connect(listener.local_addr()?)?;
    let _server = listener.accept()?;
    listener.accept()?;
    Ok(())
}
"#;

/// Compiles it as static binary into `place`.
pub fn build() -> Result<PathBuf> {
    let source = scratch()?.join("connector.rs");
    let place = scratch()?.join("connector");
    std::fs::create_dir_all(&place)?;
    let binary = place.join("connector");
    std::fs::write(&source, SOURCE.replace("PORT", &PORT.to_string()))?;
    let rustc = Command::new("rustc")
        .args(["--edition=2024", "-O", "-Ctarget-feature=+crt-static", "-o"])
        .args([&binary, &source])
        .output()
        .context("start rustc")?;
    ensure!(
        rustc.status.success(),
        "rustc: {}",
        String::from_utf8_lossy(&rustc.stderr).trim()
    );
    std::fs::write(
        place.join("Containerfile"),
        "FROM scratch\nCOPY connector /connector\nENTRYPOINT [\"/connector\"]\n",
    )?;
    Ok(place)
}
