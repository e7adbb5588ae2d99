//! The project's own tasks: build, test, bench, virtual machines, release.
fn main() {}
