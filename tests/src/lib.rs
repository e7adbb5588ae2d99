//! Labs: network namespaces, veth pairs, loss rules and traffic whose ground truth is not netobs.
//!
//! `NETOBS_BIN` names the binary under test (else the best build in the target directory), `NETOBS_RUNG` forces a rung, and
//! `NETOBS_LAB_PATIENCE` is how many seconds a lab waits for what must come (30). Labs need root, ip, nft and ss, make their
//! own namespaces and touch nothing outside them.

pub mod captures;
pub mod certs;
pub mod cgroup;
pub mod delay;
pub mod host;
mod lines;
pub mod machine;
pub mod mirror;
pub mod netns;
pub mod netobs;
pub mod path;
pub mod programs;
pub mod rules;
pub mod sys;
pub mod tables;
pub mod tap;
pub mod tool;
pub mod topology;
pub mod traffic;
pub mod truth;
pub mod wait;
pub mod wire;
