//! The project's own tasks: build, test, bench, virtual machines, release.
mod bench;
mod deploy;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("bench") => bench::run(args.collect()),
        Some("deploy") => deploy::run(),
        other => anyhow::bail!("unknown task {other:?}: bench, deploy"),
    }
}
