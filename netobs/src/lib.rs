//! netobs sees the network of a Linux node from inside the kernel and says why.
