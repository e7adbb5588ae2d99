//! `--paths`: all branches, drawn as a tree.

use super::{Run, tracing::Branching};
use crate::{
    cli::{
        Failure, Status,
        probe::{broken, out::Out},
    },
    probes::{
        run::{self, Broken},
        trace::paths::Paths,
    },
    sinks::stream::tell,
    views::probes::{paths as view, ping::ignored_line},
};

pub fn run(mut run: Run<'_>, most: usize) -> Result<Status, Failure> {
    let mut branching = Branching(Paths::new(run.plan.clone(), most));
    if let Err(why) = run::run(run.engine.as_mut(), run.signals, &mut branching) {
        broken(why)?;
    }
    let paths = &branching.0;
    for addr in paths.graph().keys().filter_map(|(_, addr)| *addr) {
        run.names.ask(addr);
    }
    run.names.finish();
    let mut out = Out::default();
    let mut odd = run.engine.odd();
    odd.foreign += paths.foreign;
    let sentence = view::sentence(paths);
    if run.args.common.json {
        for object in view::objects(paths, &mut run.names) {
            out.json(&object);
        }
        out.json(&view::end(paths, &sentence, run.engine.name(), odd));
    } else {
        out.line(&view::tree(paths, &mut run.names));
        out.line(&format!("{sentence} (engine {})", run.engine.name()));
        if let Some(line) = ignored_line(odd) {
            tell(&line);
        }
    }
    out.flush().or_else(|why| broken(Broken::Show(why)))?;
    Ok(if paths.reached() {
        Status::Done
    } else {
        Status::No
    })
}
