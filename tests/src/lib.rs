//! Labs: network namespaces, veth pairs, loss rules and traffic whose ground truth is not netobs.
