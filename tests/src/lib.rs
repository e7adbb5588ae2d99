//! Labs: network namespaces, veth pairs, loss rules and traffic whose ground truth is not netobs.

pub mod netns;
pub mod netobs;
pub mod programs;
pub mod rules;
pub mod sys;
pub mod tool;
pub mod topology;
pub mod traffic;
pub mod truth;
pub mod wait;
