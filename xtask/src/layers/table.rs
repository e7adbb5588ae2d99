//! The laws: which module may import which, and where unsafe may stand and why.

/// The pipeline: a stage imports only from stages on its left.
const PIPELINE: [&str; 6] = ["bpf", "collectors", "enrich", "state", "views", "sinks"];

/// Modules beside the pipeline, and what of it and of each other they may import.
const BESIDE: [(&str, &[&str]); 7] = [
    ("netlink", &[]),
    ("host", &["netlink"]),
    ("sockets", &["bpf", "netlink"]),
    (
        "probes",
        &["bpf", "collectors", "netlink", "host", "enrich", "state"],
    ),
    (
        "capture",
        &["bpf", "collectors", "netlink", "sockets", "enrich", "state"],
    ),
    (
        "diagnose",
        &[
            "bpf",
            "collectors",
            "netlink",
            "enrich",
            "state",
            "probes",
            "capture",
        ],
    ),
    (
        "agent",
        &[
            "bpf",
            "collectors",
            "netlink",
            "enrich",
            "state",
            "probes",
            "capture",
            "diagnose",
            "views",
            "sinks",
        ],
    ),
];

/// Plain modules that need one thing of a stage, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "event",
    "collectors",
    "an event's body is the sum of what the collectors decode",
)];

/// Files that use unsafe outside of netobs-ebpf and netobs/src/bpf. Keep it short.
pub const UNSAFE_FILES: [(&str, &str); 5] = [
    (
        "tests/src/sys/mod.rs",
        "labs enter namespaces and ask the kernel for its list of programs",
    ),
    (
        "tests/src/sys/sockets.rs",
        "labs make sockets that the standard library cannot",
    ),
    (
        "tests/src/tap.rs",
        "labs make links of their own of TAP devices",
    ),
    (
        "netobs/src/capture/live/packet/ring.rs",
        "packets come through memory shared with the kernel, by options of packet sockets that no crate has",
    ),
    (
        "netobs/src/netlink/iptables/sockopt.rs",
        "legacy iptables is read by two socket options that no crate has",
    ),
];

/// Folders whose work is unsafe by nature.
pub const UNSAFE_FOLDERS: [&str; 2] = ["netobs-ebpf/src/", "netobs/src/bpf/"];

/// May module `from` of netobs import module `to`? Err says why not.
pub fn may_import(from: &str, to: &str) -> Result<(), String> {
    let known = |name: &str| {
        PIPELINE.contains(&name)
            || name == "cli"
            || BESIDE.iter().any(|(module, _)| *module == name)
    };
    let excepted = EXCEPTIONS
        .iter()
        .any(|(module, needs, _)| (*module, *needs) == (from, to));
    if excepted || from == to || !known(to) || ["main", "lib", "cli"].contains(&from) {
        return Ok(()); // plain types may be imported by all; the command line may import all
    }
    if let Some((_, allowed)) = BESIDE.iter().find(|(module, _)| *module == from) {
        let list = allowed.join(", ");
        return if allowed.contains(&to) {
            Ok(())
        } else {
            Err(format!("{from} imports {to}; it may import: {list}"))
        };
    }
    let place = |name: &str| PIPELINE.iter().position(|stage| *stage == name);
    match (place(from), place(to)) {
        (Some(here), Some(there)) if there < here => Ok(()),
        (Some(_), Some(_)) => Err(format!(
            "{from} imports {to}, a later stage of {}",
            PIPELINE.join(" -> ")
        )),
        (Some(_), None) if to == "netlink" => Ok(()),
        // Rows of any kind become views.
        (Some(_), None) if from == "views" && ["host", "probes"].contains(&to) => Ok(()),
        (Some(_), None) => Err(format!(
            "{from} imports {to}, which is no stage of the pipeline"
        )),
        (None, _) => Err(format!(
            "{from} is no stage, yet imports {to}; plain modules import only plain modules"
        )),
    }
}
